"""The scheduler of beat: the class that ``CELERY_BEAT_SCHEDULER`` names."""

from django_celery_beat.schedulers import DatabaseScheduler

from background.heartbeat import WAITING
from background.scheduler.lead import Lead
from background.scheduler.scale import Scale
from background.scheduler.seed import Seed


class Scheduler(Lead, Seed, Scale, DatabaseScheduler):
    """django-celery-beat's scheduler, which keeps the schedule in the database; each base class says what it changes."""

    @property
    def state(self) -> str:
        """What the process says of itself to a container's probe, which takes all that begins with "ready" for ready."""
        return WAITING if self.broker_is_away else self.role
