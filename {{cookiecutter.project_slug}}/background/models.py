"""The app's models, where Django looks for them. Each is defined in its room."""

from background.beat.models import Lease, ScheduledTask
from background.failures.models import FailedTask
from background.outbox.models import OutboxMessage
from background.schedule.models import SeededEntry

__all__ = ["FailedTask", "Lease", "OutboxMessage", "ScheduledTask", "SeededEntry"]
