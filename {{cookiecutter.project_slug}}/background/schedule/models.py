"""What the schedule keeps in the database beside django-celery-beat's own tables."""

from django.db import models


class SeededEntry(models.Model):
    """A key of ``CELERY_BEAT_SCHEDULE`` that was seeded: its entry came from the settings and not from a person."""

    key = models.CharField(max_length=200, primary_key=True)

    class Meta:
        default_permissions = ()
        verbose_name_plural = "seeded entries"

    def __str__(self) -> str:
        return self.key
