"""The app's models, where Django looks for them. Each is defined in its room."""

from background.beat.models import Lease, ScheduledTask
from background.failures.models import FailedTask
from background.outbox.models import OutboxMessage
from background.overview.models import Overview, QueueLength, RunningProcess
from background.schedule.models import SeededEntry

__all__ = [
    "FailedTask",
    "Lease",
    "OutboxMessage",
    "Overview",
    "QueueLength",
    "RunningProcess",
    "ScheduledTask",
    "SeededEntry",
]
