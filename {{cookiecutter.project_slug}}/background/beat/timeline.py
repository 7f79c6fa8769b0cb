"""Which of tens of thousands of entries comes next."""

from collections.abc import Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush, heapreplace
from typing import Any

from celery.beat import event_t

PRIORITY = 5  # of each event, as Celery has it


class Timeline(list[Any]):
    """A heap of events. Each is an entry and the moment of the next look at it.

    An entry that was replaced or removed leaves its event behind. The event is dropped when it reaches the top, or when
    too many such events are left. So the cost of an edit depends only on the entries that it changes.

    ``moment`` is in seconds, as ``Scheduler._when`` of Celery gives it.
    """

    is_filled = False

    def fill(self, events: Iterable[tuple[float, Any]]) -> None:
        """Start with these moments and entries."""
        self[:] = [event_t(moment, PRIORITY, entry) for moment, entry in events]
        heapify(self)
        self.is_filled = True

    def first(self, schedule: Mapping[str, Any]) -> Any:
        """The first event of an entry of the schedule. None if no entry has one."""
        while self and schedule.get(self[0].entry.name) is not self[0].entry:
            heappop(self)
        return self[0] if self else None

    def in_order(self, schedule: Mapping[str, Any]) -> Iterator[Any]:
        """The events of the schedule's entries, the first first. Only those that are asked for are sorted.

        Another thread may change the timeline meanwhile: these are the events of one moment.
        """
        events = list(self)
        reached = [(events[0], 0)] if events else []
        while reached:
            event, place = heappop(reached)
            if schedule.get(event.entry.name) is event.entry:
                yield event
            for child in (2 * place + 1, 2 * place + 2):
                if child < len(events):
                    heappush(reached, (events[child], child))

    def add(self, moment: float, entry: Any) -> None:
        """Add an entry that is new, or that replaces another one of its name."""
        heappush(self, event_t(moment, PRIORITY, entry))

    def replace_first(self, moment: float, entry: Any) -> None:
        """Move the first event's entry, or its successor, to another moment."""
        heapreplace(self, event_t(moment, PRIORITY, entry))

    def trim(self, schedule: Mapping[str, Any]) -> None:
        """Drop the events that were left behind, if they are the majority."""
        if len(self) > 2 * len(schedule) + 100:
            self[:] = [event for event in self if schedule.get(event.entry.name) is event.entry]
            heapify(self)
