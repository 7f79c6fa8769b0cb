"""Scale: what a tick, an edit and a record cost does not grow with the number of entries."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cached_property, partial
from heapq import heapify, heappop, heappush, heapreplace
from operator import itemgetter
from typing import Any

from celery.beat import event_t
from celery.schedules import ParseException
from celery.utils.log import get_logger
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Model, Q
from django.utils import timezone
from django_celery_beat.schedulers import ModelEntry
from kombu.exceptions import OperationalError

from background.models import ScheduledTask
from background.schedule import KINDS

logger = get_logger(__name__)

FIELDS = [field.attname for field in ScheduledTask._meta.concrete_fields]
NAME = FIELDS.index("name")
RUN = ("last_run_at", "total_run_count")  # what beat writes
last_run_of = itemgetter(*map(FIELDS.index, RUN))
what_people_write_of = itemgetter(*(number for number, name in enumerate(FIELDS) if name not in RUN))
keys_of = itemgetter(*(FIELDS.index(f"{kind}_id") for kind in KINDS))
CHUNK = 2000  # rows in one query: with a cursor of the database's own a transaction pooler would get in the way
READ_AGAIN = 120.0  # seconds: a clocked entry of django-celery-beat is only read five minutes before its moment
RETRY = 2.0  # seconds until what is away is tried again, if nobody asks for an earlier tick


class Entry(ModelEntry):
    """An entry of which the next run is a copy, instead of being read from its row once more."""

    read: tuple[Any, ...] | None = None  # what its row said, as ``Scale.load`` compares it

    def __next__(self) -> "Entry":
        self.model.last_run_at = self._default_now()
        self.model.total_run_count += 1
        self.model.no_changes = True
        new = object.__new__(type(self))
        new.__dict__.update(
            self.__dict__, last_run_at=self.model.last_run_at, total_run_count=self.model.total_run_count
        )
        return new

    def _disable(self, model: Any) -> None:
        """Switch off a row that has expired or can't be read. What can't be saved now is tried again."""
        try:
            super()._disable(model)
        except (DatabaseError, InterfaceError):
            model.enabled = True
            raise


class SharedSchedule:
    """A row of interval, crontab, solar or clocked, and the one Celery schedule of all entries that point to it."""

    def __init__(self, kind: str, row: Model) -> None:
        self.kind = kind
        self.row = row
        self.values = values_of(row)

    @cached_property
    def schedule(self) -> Any:
        return self.row.schedule  # type: ignore[attr-defined]


def values_of(row: Model) -> tuple[Any, ...]:
    return tuple(getattr(row, field.attname) for field in row._meta.concrete_fields)


class Scale:
    """For django-celery-beat 2.9.0, whose ``DatabaseScheduler`` compares all entries at each tick and reads all after
    each edit, with four queries for the record of a run.

    Here the heap is trusted: an event whose entry has been replaced is dropped when it comes to the top. Changes are
    looked for once in ``look_every``, and then only entries whose row has changed are made anew.
    """

    Entry: Any = Entry
    Model: Any = ScheduledTask

    sync_every = 1.0  # seconds: the runs of which the next leader does not know when this one is killed
    look_every = 1.0  # seconds

    app: Any
    max_interval: float
    _dirty: set[str]
    _heap: list[Any] | None
    _schedule: dict[str, Any]
    _initial_read: bool
    _heap_invalidated: bool
    _last_timestamp: Any
    _last_full_sync: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._schedule = {}
        self._looked = float("-inf")
        self.broker_is_away = False
        self._shared: dict[tuple[str, Any], SharedSchedule] = {}
        self._unreadable: dict[str, Any] = {}
        super().__init__(*args, **kwargs)

    # A tick

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send one entry that is due. Return the seconds until this wants to be called again.

        What could not be sent because the broker is away stays due; Celery's own tick counts it as sent.
        """
        try:
            schedule = self.schedule
        except (DatabaseError, InterfaceError) as error:
            logger.error("The schedule could not be read: %s", error)
            return RETRY
        if self._heap is None:
            self.populate_heap()
        heap: Any = self._heap
        while heap and schedule.get(heap[0].entry.name) is not heap[0].entry:
            heappop(heap)
        if not heap:
            return self.max_interval
        event = heap[0]
        wait: float = event.time - self._when(event.entry, 0)  # type: ignore[attr-defined]
        if wait > 0:
            return min(wait, self.max_interval)
        is_due, delay = self.look_at(event.entry)
        entry = event.entry
        if is_due:
            if not self.send(entry):
                return RETRY
            entry = self.reserve(entry)
        heapreplace(heap, self.event_of(entry, delay))
        return 0

    def look_at(self, entry: Any) -> tuple[bool, float]:
        """Whether the entry is due, and the seconds until it is to be looked at again."""
        try:
            is_due, delay = self.is_due(entry)  # type: ignore[attr-defined]
        except Exception:  # as Celery has it: one entry must not stop the others
            is_due, delay = self._is_due_failed(entry)  # type: ignore[attr-defined]
        return is_due, delay

    def adjust(self, n: float, drift: float = 0.0) -> float:
        """The seconds to wait: Celery takes off 10 ms, and then looks again and again until they are over."""
        return n + drift

    def event_of(self, entry: Any, delay: float) -> Any:
        return event_t(self._when(entry, delay), 5, entry)  # type: ignore[attr-defined]

    def populate_heap(self, *args: Any, **kwargs: Any) -> None:
        self._heap = [self.first_event_of(entry) for entry in self.schedule.values()]
        heapify(self._heap)

    def first_event_of(self, entry: Any) -> Any:
        """When the entry is to be looked at first: nothing is sent yet."""
        try:
            is_due, delay = entry.is_due()
        except Exception:
            is_due, delay = self._is_due_failed(entry)  # type: ignore[attr-defined]
        return self.event_of(entry, 0 if is_due else delay)

    def send(self, entry: Any) -> bool:
        """Send the entry's task. False when the broker is away; any other error is the entry's own, and counts as a run."""
        if not self.broker_is_away:
            logger.info("Scheduler: Sending due task %s (%s)", entry.name, entry.task)
        try:
            self.apply_async(entry, advance=False)  # type: ignore[attr-defined]
        except Exception as error:
            if isinstance(error.__context__, OperationalError) and not self.app.conf.task_always_eager:
                if not self.broker_is_away:
                    logger.error("The broker is away, and beat waits for it: %s", error)
                self.broker_is_away = True
                return False
            logger.error("The entry %s could not be sent: %s", entry.name, error, exc_info=True)
        if self.broker_is_away:
            logger.info("The broker is back.")
        self.broker_is_away = False
        return True

    def reserve(self, entry: Any) -> Any:
        new = super().reserve(entry)  # type: ignore[misc]
        self._schedule[entry.name] = new
        return new

    # Reading

    @property
    def schedule(self) -> dict[str, Any]:
        """The enabled entries by name; read again when somebody has changed something, and every ``READ_AGAIN``."""
        now = time.monotonic()
        if now - self._looked >= self.look_every:
            self._looked = now
            changed = self.schedule_changed()  # asked before reading, so that no change is missed in between
            if self._initial_read or changed or self.is_to_be_read_again():
                self.read_again()
        return self._schedule

    def is_to_be_read_again(self) -> bool:
        age: timedelta = datetime.now() - self._last_full_sync
        return abs(age.total_seconds()) >= READ_AGAIN  # in autumn the local time is set back by an hour

    def read_again(self) -> None:
        """Record what ran, and read the rows. What fails is tried again at the next look."""
        self._last_full_sync = datetime.min
        self.sync()
        if self._dirty:
            return
        self.load()
        self._heap_invalidated = not self._initial_read
        self._initial_read = False
        self._last_full_sync = datetime.now()

    def schedule_changed(self) -> bool:
        """Whether anything has changed since the last look. The moment of a change is that of the host that made it, so
        it need not be later than the last one.
        """
        last = self._last_timestamp
        changed: bool = super().schedule_changed()  # type: ignore[misc]
        return changed or (last is not None and self._last_timestamp != last)

    def _get_crontab_exclude_query(self) -> Q:
        """Of the crontabs that are far from their hour, leave out only those that ran or were made within the last hour.

        The others may have missed their hour while no beat ran.
        """
        recently = timezone.now() - timedelta(hours=1)
        recent = Q(last_run_at__gt=recently) | Q(last_run_at=None, date_changed__gt=recently)
        far: Q = super()._get_crontab_exclude_query()  # type: ignore[misc]
        return far & recent

    def load(self) -> None:
        """Read the enabled rows, and make anew the entries whose row is not as it was read before."""
        old = self._schedule
        new: dict[str, Any] = {}
        changed = []
        self.read_schedules()
        for values in self.rows():
            name = values[NAME]
            shared = self.shared_by(values)
            read = (hash((what_people_write_of(values), id(shared))), *last_run_of(values))
            entry = old.get(name)
            if entry is None or entry.read != read:
                entry = self.entry_of(values, shared, read)
                if entry is None:
                    continue
                changed.append(entry)
            new[name] = entry
        self._schedule = new
        if self._heap is not None:
            self.patch_heap(changed)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The values of ``FIELDS`` of each enabled row."""
        rows = self.enabled_models_qs().prefetch_related(None).order_by("pk").values_list(*FIELDS)  # type: ignore[attr-defined]
        last = 0
        while chunk := list(rows.filter(pk__gt=last)[:CHUNK]):
            yield from chunk
            last = chunk[-1][0]

    def read_schedules(self) -> None:
        """Read the rows to which enabled entries point, and keep what was made of each that has not changed."""
        shared = {}
        for kind in KINDS:
            model: Any = self.Model._meta.get_field(kind).related_model
            for row in model.objects.filter(periodictask__enabled=True).distinct():
                known = self._shared.get((kind, row.pk))
                is_same = known is not None and known.values == values_of(row)
                shared[kind, row.pk] = known if known is not None and is_same else SharedSchedule(kind, row)
        self._shared = shared

    def shared_by(self, values: tuple[Any, ...]) -> SharedSchedule | None:
        for key in zip(KINDS, keys_of(values), strict=True):
            if key[1] is not None:
                return self._shared.get(key)
        return None

    def entry_of(self, values: tuple[Any, ...], shared: SharedSchedule | None, read: tuple[Any, ...]) -> Any:
        """The entry that a row holds; None, and an error that is logged once, where it can't be read."""
        row = self.Model.from_db(None, FIELDS, values)
        try:
            if shared is None:
                raise ValueError("it has no schedule")
            row.shared = shared.schedule
            setattr(row, shared.kind, shared.row)
            entry = self.Entry(row, app=self.app)
        except (ValueError, ParseException) as error:
            if self._unreadable.get(row.name) != read:
                self._unreadable[row.name] = read
                logger.error("The entry %s can't be read, and does not run: %s", row.name, error)
            return None
        entry.read = read
        return entry

    def patch_heap(self, changed: list[Any]) -> None:
        """Add the events of new entries. Those of the replaced ones stay until they come to the top, or are too many."""
        heap: Any = self._heap
        for entry in changed:
            heappush(heap, self.first_event_of(entry))
        schedule = self._schedule
        if len(heap) > 2 * len(schedule) + 100:
            self._heap = [event for event in heap if schedule.get(event.entry.name) is event.entry]
            heapify(self._heap)

    # Recording

    def sync(self) -> None:
        """Record the runs, in one transaction. Without a database they are kept, and recorded later.

        Inside another's transaction an error is raised, because that one has failed too.
        """
        schedule = self._schedule
        entries = [schedule[name] for name in self._dirty if name in schedule]
        try:
            if entries:
                with transaction.atomic():
                    self.record(entries)
        except (DatabaseError, InterfaceError) as error:
            if connection.in_atomic_block:
                raise
            logger.error("%d runs could not be recorded, and are kept: %s", len(entries), error)
        else:
            self._dirty.clear()

    def record(self, entries: list[Any]) -> None:
        """Write when each entry has run, and how often. One that was to run once is switched off, as by stock beat."""
        in_bulk = [entry for entry in entries if type(entry).save is ModelEntry.save]
        for entry in entries:
            if type(entry).save is not ModelEntry.save:
                entry.save()
        ended = [(entry.model.pk,) for entry in in_bulk if entry.model.one_off]
        adapt = connection.ops.adapt_datetimefield_value
        ran = [
            (adapt(entry.model.last_run_at), entry.model.total_run_count, entry.model.pk)
            for entry in in_bulk
            if not entry.model.one_off
        ]
        table = connection.ops.quote_name(self.Model._meta.db_table)
        with connection.cursor() as cursor:
            if ran:
                # A row that was switched off since has forgotten its last run, and stays so.
                cursor.executemany(
                    f"UPDATE {table} SET last_run_at = %s, total_run_count = %s WHERE id = %s AND enabled", ran
                )
            if ended:
                cursor.executemany(
                    f"UPDATE {table} SET enabled = false, last_run_at = NULL, total_run_count = 0 WHERE id = %s", ended
                )
        transaction.on_commit(partial(self.remember, in_bulk))

    def remember(self, recorded: list[Any]) -> None:
        """Know what the rows say now, so that the entries are not made anew."""
        for entry in recorded:
            if entry.model.one_off:
                self._schedule.pop(entry.name, None)
            elif entry.read:
                entry.read = (entry.read[0], entry.model.last_run_at, entry.model.total_run_count)
