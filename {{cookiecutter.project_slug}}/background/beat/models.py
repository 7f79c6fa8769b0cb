"""What beat keeps in the database beside django-celery-beat's own tables."""

from collections.abc import Iterable
from typing import Any

from django.db import models
from django_celery_beat.models import PeriodicTask


class Lease(models.Model):
    """Which process may do what only one process may do at a time. ``background/beat/lease.py`` uses it.

    All moments are on the database's clock. The clocks of hosts are never compared.
    """

    name = models.CharField(max_length=100, primary_key=True)
    holder = models.CharField(max_length=255)
    since = models.DateTimeField()
    ticked = models.DateTimeField("last tick")
    expires = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class ScheduledTask(PeriodicTask):
    """A row of the schedule as beat holds it, next to tens of thousands of others."""

    shared: Any = None  # the row's Celery schedule if other rows share it: a crontab is slow to read

    class Meta:
        proxy = True
        default_permissions = ()

    @property
    def schedule(self) -> Any:
        return self.shared or super().schedule

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """Save what beat changes when it ends an entry, unless told otherwise.

        A person may have edited the rest since beat read it.
        """
        ended = ("enabled", "last_run_at", "total_run_count", "date_changed")
        super().save(*args, update_fields=ended if update_fields is None else update_fields, **kwargs)
