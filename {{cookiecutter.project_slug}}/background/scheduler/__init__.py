"""The scheduler of beat: the class that ``CELERY_BEAT_SCHEDULER`` names."""

from django_celery_beat.schedulers import DatabaseScheduler

from background.scheduler.seed import Seed


class Scheduler(Seed, DatabaseScheduler):
    """django-celery-beat's scheduler, which keeps the schedule in the database; each base class says what it changes."""
