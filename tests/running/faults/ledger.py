"""What the tasks of a fault test have recorded, outside the broker."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Line:
    """One event of one task: ``sent``, ``refused``, ``start`` or ``end``, at a moment in seconds since 1970, and who noted it."""

    event: str
    number: int
    at: float
    process: int


class Ledger:
    """The file that sender and tasks write to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def lines(self) -> list[Line]:
        """All events so far, without a line that is being written."""
        complete = self.path.read_text().rpartition("\n")[0]
        fields = map(str.split, complete.splitlines())
        return [Line(event, int(number), float(at), int(process)) for event, number, at, process in fields]

    def count(self, event: str) -> Counter[int]:
        """How often each task had an event."""
        return Counter(line.number for line in self.lines() if line.event == event)

    def last(self, event: str) -> float:
        """When the last event of this kind was, in seconds since 1970."""
        return max(line.at for line in self.lines() if line.event == event)

    def lost(self) -> list[int]:
        """The tasks that were taken by the broker and never came to an end."""
        return sorted(self.count("sent").keys() - self.count("end").keys())

    def running(self) -> set[int]:
        """The ids of the processes that run a task."""
        started = {line.number: line.process for line in self.lines() if line.event == "start"}
        ended = {line.number for line in self.lines() if line.event == "end"}
        return {process for number, process in started.items() if number not in ended}

    def is_at_work_since(self, moment: float) -> bool:
        """Whether a task has started after this moment."""
        return any(line.event == "start" and line.at > moment for line in self.lines())

    def row(self) -> tuple[int, int, int, int]:
        """How many tasks were sent, done, started more than once, and lost."""
        starts, ends = self.count("start"), self.count("end")
        return len(self.count("sent")), len(ends), sum(times > 1 for times in starts.values()), len(self.lost())
