"""Seeds the schedule: its home is the database, and the settings are what a new database begins with."""

from celery import Celery
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import ModelEntry


def seed(app: Celery) -> list[str]:
    """Write each entry of ``CELERY_BEAT_SCHEDULE`` whose key is not in the database yet; return the keys written.

    An entry that is there stays as it is, whatever the settings say.
    """
    present = set(PeriodicTask.objects.values_list("name", flat=True))
    missing = {key: entry for key, entry in app.conf.beat_schedule.items() if key not in present}
    for key, entry in missing.items():
        ModelEntry.from_entry(key, app=app, **entry)
    return list(missing)
