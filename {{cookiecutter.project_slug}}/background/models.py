"""What the schedule keeps in the database beside django-celery-beat's own tables."""

from typing import Any

from django.db import models
from django_celery_beat.models import PeriodicTask


class Lease(models.Model):
    """Which beat leads, and until when. There is one row; background/lease.py reads and writes it.

    All moments are the database's, so that the clocks of the hosts are never compared.
    """

    name = models.CharField(max_length=20, primary_key=True)
    holder = models.CharField("leader", max_length=200, help_text="Empty when the last leader gave the lease back.")
    since = models.DateTimeField(help_text="When the leader began to lead.")
    ticked = models.DateTimeField(help_text="When the leader last said that it looks for entries that are due.")
    expires = models.DateTimeField(help_text="When another beat may lead, unless the leader renews the lease.")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.holder or 'nobody'}"


class SeededEntry(models.Model):
    """A key of ``CELERY_BEAT_SCHEDULE`` that was seeded: its entry came from the settings, not from a person."""

    key = models.CharField(max_length=200, primary_key=True)

    class Meta:
        default_permissions = ()
        verbose_name_plural = "seeded entries"

    def __str__(self) -> str:
        return self.key


class ScheduledTask(PeriodicTask):
    """A row of the schedule as beat holds it, by the ten thousand (background/scheduler/scale.py).

    Rows of one schedule share one schedule object, and beat saves no field that a person edits.
    """

    shared_schedule: Any = None

    class Meta:
        proxy = True
        default_permissions = ()

    @property
    def schedule(self) -> Any:
        """The Celery schedule: the shared object, or one of its own from the database."""
        return self.shared_schedule if self.shared_schedule is not None else super().schedule

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save what a run changes, and nothing else: another field may be newer in the database."""
        super().save(update_fields=["enabled", "last_run_at", "total_run_count", "date_changed"])
