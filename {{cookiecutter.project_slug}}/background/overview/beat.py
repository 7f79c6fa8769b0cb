"""What a beat reports of itself, and what the one that leads records besides."""

import time
from itertools import islice
from typing import Any

from celery.utils.log import get_logger

from background.overview.queues import sample
from background.overview.report import Reporter
from background.probe import heartbeat

logger = get_logger(__name__)

NEXT = 10  # entries in the report
MOST = 1000  # entries that are looked at: more late ones are not counted
LATE = 10.0  # seconds after its moment at which an entry that was not sent counts as late
SAMPLE = 60.0  # seconds between two records of how long the queues are


class BeatReporter(Reporter):
    """Reports a beat. The name is the one that its lease has."""

    def __init__(self, scheduler: Any) -> None:
        leadership = getattr(scheduler, "leadership", None)  # a scheduler of another class has none
        self.scheduler, self.leadership, self.sampled = scheduler, leadership, 0.0
        super().__init__("beat", leadership.claim.holder if leadership else "beat", self.of_beat)

    def of_beat(self) -> dict[str, Any]:
        """What this beat does. If it leads: the next entries, each with its moment in seconds since the epoch, and how many are late."""
        if not self.leadership or not self.leadership.is_held:
            return {"state": heartbeat.state}
        moment = time.monotonic()
        if moment - self.sampled >= SAMPLE and not self.scheduler.app.conf.task_always_eager:
            self.sampled = moment
            self.sample()
        events = list(islice(self.scheduler.timeline.in_order(self.scheduler._schedule), MOST))
        now = self.scheduler._when(events[0].entry, 0) if events else 0  # on the timeline's clock
        ahead = [event.time - now for event in events]
        return {
            "state": heartbeat.state,
            "next": [
                {"name": event.entry.name, "task": event.entry.task, "at": time.time() + seconds}
                for event, seconds in zip(events[:NEXT], ahead, strict=False)
            ],
            "late": sum(seconds < -LATE for seconds in ahead),
        }

    def sample(self) -> None:
        """Record how long the queues are. A broker that is away is reported by others."""
        try:
            sample(self.scheduler.app)
        except Exception as error:
            logger.debug("The queues could not be recorded: %s", error)
