"""Drift: how a row differs from its entry in the settings. Nothing is saved here."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from celery import Celery
from celery.schedules import maybe_schedule
from django.db import models
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from kombu.utils.json import dumps

from background.registry import entries_in_code
from background.schedule.faults import FLAGS, MOMENTS, OPTIONS, ROUTES, faults
from background.schedule.kinds import kind_of, moment
from background.schedule.rows import rows_of

JSON = {"args": "[]", "kwargs": "{}", "headers": "{}"}  # and what an empty field stands for
PLAIN = ("task", *ROUTES, "priority", "expire_seconds", *FLAGS)


class Difference(NamedTuple):
    """A field in which the database and the settings differ, as texts for people."""

    field: str
    database: str
    settings: str

    def __str__(self) -> str:
        return f"{self.field} is {self.database} in the database, {self.settings} in the settings"


def drift(app: Celery, rows: Iterable[PeriodicTask] | None = None) -> dict[str, list[Difference]]:
    """How the database and the settings differ, by key, for the entries that are in both. Nothing is saved.

    If ``rows`` are given, only those are compared. That takes no query if their schedules were selected with them.
    A refused entry has no drift.
    """
    entries = entries_in_code(app)
    found = {}
    for row in rows_of(entries) if rows is None else rows:
        entry = entries.get(row.name)
        if entry is not None and not faults(row.name, entry) and (differences := compare(row, entry)):
            found[row.name] = differences
    return found


def compare(row: PeriodicTask, entry: Mapping[str, Any]) -> list[Difference]:
    """How a row differs from its entry. ``enabled`` does not count if beat itself has ended the entry."""
    ours, theirs = wanted(entry), stored(row)
    found = [Difference(name, theirs[name], ours[name]) for name in ours if theirs[name] != ours[name]]
    differing = {difference.field for difference in found}
    if is_ended(row) and differing.isdisjoint({"schedule", "one_off", "expires"}):
        found = [difference for difference in found if difference.field != "enabled"]
    return found


def is_ended(row: PeriodicTask) -> bool:
    """Whether beat may have switched the row off, because it has expired, or was to run once and may have done so.

    beat then also resets the count and the moment of the last run. So a row that a person has switched off before its
    one run looks the same, unless its moment is still to come.
    """
    now = timezone.now()
    if row.enabled:
        return False
    if row.expires and row.expires <= now:
        return True
    return bool(row.one_off and not (row.clocked and row.clocked.clocked_time > now))


def wanted(entry: Mapping[str, Any]) -> dict[str, str]:
    """What an entry of the settings says, field by field. A field that it does not name has the model's default."""
    options = entry.get("options") or {}
    fields = {name: options.get(name) if name in OPTIONS else entry.get(name) for name in (*PLAIN, *JSON, *MOMENTS)}
    said = {"schedule": schedule_as_text(as_row(entry["schedule"]))}
    for name in PLAIN:
        field = PeriodicTask._meta.get_field(name)
        said[name] = as_text(field.get_default() if fields[name] is None else field.to_python(fields[name]))
    said |= {name: json_as_text(dumps(fields[name]) if fields[name] else empty) for name, empty in JSON.items()}
    said |= {name: moment(fields[name]) for name in MOMENTS}
    if "description" in entry:
        said["description"] = as_text(str(entry["description"]))
    return said


def stored(row: PeriodicTask) -> dict[str, str]:
    """What a row says, in the same words."""
    said = {"schedule": schedule_as_text(row.scheduler)}
    said |= {name: as_text(getattr(row, name)) for name in (*PLAIN, "description")}
    said |= {name: json_as_text(getattr(row, name) or empty) for name, empty in JSON.items()}
    said |= {name: moment(getattr(row, name)) for name in MOMENTS}
    return said


def as_row(schedule: Any) -> Any:
    """A schedule of the settings as an unsaved row of its kind."""
    schedule = maybe_schedule(schedule)
    kind = kind_of(schedule)
    if kind is None:
        raise ValueError(f"the database has no table for {schedule!r}")
    return kind.as_row(schedule)


def schedule_as_text(row: models.Model | None) -> str:
    """One text for all schedules that are the same: 600 seconds are 10 minutes."""
    kind = kind_of(row)
    return kind.text(row) if kind else "nothing"


def as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "nothing" if value in {None, ""} else str(value)


def json_as_text(value: str) -> str:
    """JSON in one form for every order of its keys. Text that is not JSON stays as it is."""
    try:
        return json.dumps(json.loads(value), sort_keys=True, ensure_ascii=False)
    except ValueError:
        return value
