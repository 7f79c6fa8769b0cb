"""The entries that beat holds, and how they are read from their rows and recorded there.

django-celery-beat 2.9 rebuilds every entry after each edit and each run, and needs four queries to record a run.
Here only an entry whose row has changed is rebuilt, and runs are recorded in bulk.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from operator import itemgetter
from typing import Any

import django.db
from celery.schedules import ParseException
from celery.utils.log import get_logger
from django.db import connection
from django.db.models import Model, QuerySet
from django_celery_beat.schedulers import ModelEntry

from background.beat.models import ScheduledTask
from background.schedule.kinds import FIELDS as KINDS
from background.schedule.last_run import counted_from

logger = get_logger(__name__)

FIELDS = [field.attname for field in ScheduledTask._meta.concrete_fields]
NAME = FIELDS.index("name")
RUN = ("last_run_at", "total_run_count")  # what beat writes
last_run_of = itemgetter(*map(FIELDS.index, RUN))
what_people_write_of = itemgetter(*(number for number, name in enumerate(FIELDS) if name not in RUN))
keys_of = itemgetter(*(FIELDS.index(f"{kind}_id") for kind in KINDS))
CHUNK = 2000  # rows in one query: a cursor of the database's own does not work behind a transaction pooler


class Entry(ModelEntry):
    """An entry whose next run is a copy of it. It is not read from its row again."""

    read: tuple[Any, ...] | None = None  # what its row said, as ``Reader.read`` compares it

    def __init__(self, model: Any, app: Any = None) -> None:
        """Read the row. Its next run is counted as ``counted_from`` says."""
        last_run_at = counted_from(model)
        super().__init__(model, app=app)
        self.last_run_at = model.last_run_at = last_run_at

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
        """Switch off a row that has expired or can't be read. If that can't be saved now, it is tried again."""
        try:
            super()._disable(model)
        except django.db.Error:
            model.enabled = True
            raise


class SharedSchedule:
    """A row of interval, crontab, solar or clocked, and the one Celery schedule of all entries that point to it."""

    def __init__(self, kind: str, row: Any) -> None:
        self.kind = kind
        self.row = row
        self.values = values_of(row)

    @cached_property
    def schedule(self) -> Any:
        return self.row.schedule


def values_of(row: Model) -> tuple[Any, ...]:
    return tuple(getattr(row, field.attname) for field in row._meta.concrete_fields)


class Reader:
    """Reads the enabled rows, and keeps each entry whose row has not changed since it was read."""

    def __init__(self, model: Any, make: Callable[[Any], Entry]) -> None:
        self.model = model
        self.make = make
        self.shared: dict[tuple[str, Any], SharedSchedule] = {}
        self.unreadable: dict[str, Any] = {}

    def read(
        self, rows: QuerySet[Any], old: Mapping[str, Any], since: datetime | None = None
    ) -> tuple[dict[str, Any], list[Entry]]:
        """The entries of these rows by name, and those of them that are not in ``old``.

        ``since`` is when ``old`` was read. An entry that was not there then was switched on later, and counts from then.
        """
        self.read_schedules()
        entries: dict[str, Any] = {}
        changed = []
        for values in in_chunks(rows):
            name = values[NAME]
            shared = self.shared_by(values)
            read = (hash((what_people_write_of(values), id(shared))), *last_run_of(values))
            entry = old.get(name)
            if entry is None or entry.read != read:
                entry = self.entry_of(values, shared, read)
                if entry is None:
                    continue
                changed.append(entry)
                if since and name not in old and entry.last_run_at < since:
                    entry.last_run_at = entry.model.last_run_at = since
            entries[name] = entry
        return entries, changed

    def read_schedules(self) -> None:
        """Read the rows to which enabled entries point, and keep what was made of each that has not changed."""
        shared = {}
        for kind in KINDS:
            model: Any = self.model._meta.get_field(kind).related_model
            for row in model.objects.filter(periodictask__enabled=True).distinct():
                known = self.shared.get((kind, row.pk))
                is_same = known is not None and known.values == values_of(row)
                shared[kind, row.pk] = known if known is not None and is_same else SharedSchedule(kind, row)
        self.shared = shared

    def shared_by(self, values: tuple[Any, ...]) -> SharedSchedule | None:
        for key in zip(KINDS, keys_of(values), strict=True):
            if key[1] is not None:
                return self.shared.get(key)
        return None

    def entry_of(self, values: tuple[Any, ...], shared: SharedSchedule | None, read: tuple[Any, ...]) -> Entry | None:
        """The entry that a row holds. None if it can't be read, which is logged once."""
        row = self.model.from_db(None, FIELDS, values)
        try:
            if shared is None:
                raise ValueError("it has no schedule")
            row.shared = shared.schedule
            setattr(row, shared.kind, shared.row)
            entry = self.make(row)
        except (ValueError, ParseException) as error:
            if self.unreadable.get(row.name) != read:
                self.unreadable[row.name] = read
                logger.error("The entry %s can't be read and will not run: %s", row.name, error)
            return None
        entry.read = read
        return entry


def in_chunks(rows: QuerySet[Any]) -> Iterator[tuple[Any, ...]]:
    """The values of ``FIELDS`` of each row."""
    rows = rows.prefetch_related(None).order_by("pk").values_list(*FIELDS)
    last = 0
    while chunk := list(rows.filter(pk__gt=last)[:CHUNK]):
        yield from chunk
        last = chunk[-1][0]


def record(model: Any, entries: list[Any]) -> list[Any]:
    """Write when each entry has run, and how often. As in stock beat, an entry that was to run once is switched off.

    Return the entries that were written in bulk. An entry of a class with a ``save`` of its own saves itself.
    """
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
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        if ran:
            # A row that was switched off since has forgotten its last run. That must stay.
            cursor.executemany(
                f"UPDATE {table} SET last_run_at = %s, total_run_count = %s WHERE id = %s AND enabled", ran
            )
        if ended:
            cursor.executemany(
                f"UPDATE {table} SET enabled = false, last_run_at = NULL, total_run_count = 0 WHERE id = %s", ended
            )
    return in_bulk
