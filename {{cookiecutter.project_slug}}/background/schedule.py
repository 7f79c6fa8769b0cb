"""The schedule: its home is the database, and ``CELERY_BEAT_SCHEDULE`` of the settings is what a new database begins with.

An entry of the settings is *seeded*: written once, when its key is not in the database. What a person changes there
later stays, and is reported as *drift*; a key that has gone from the settings leaves an *orphan*, which goes on running.
The settings win only where somebody asks for it, by ``apply`` and ``prune``.

Rows are written as django-celery-beat 2.9 writes them, through its ``ModelEntry``.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from celery import Celery
from celery.result import AsyncResult
from celery.schedules import crontab, maybe_schedule, solar
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, InterfaceError, models, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django_celery_beat.clockedschedule import clocked
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from django_celery_beat.schedulers import ModelEntry
from kombu.utils.json import dumps, loads

from background.entry import CRON_FIELDS, FLAGS, MOMENTS, OPTIONS, ROUTES, faults
from background.models import SeededEntry
from background.timetable import cron, every, moment, place

KINDS = ("interval", "crontab", "solar", "clocked")
JSON = {"args": "[]", "kwargs": "{}", "headers": "{}"}  # and what an empty field stands for
PLAIN = ("task", *ROUTES, "priority", "expire_seconds", *FLAGS)
DEFAULTS = {"celery.backend_cleanup"}  # what beat seeds of its own accord


class UnknownEntryError(LookupError):
    """There is no such entry, or no such task. The message suggests a key that is close."""


class RefusedEntryError(ValueError):
    """The database can't hold an entry as it is written in the settings. The message has the reasons."""


class Seeded(NamedTuple):
    """What seeding did: the keys that it wrote, and those that it refused, each with the reasons."""

    written: list[str]
    refused: dict[str, list[str]]


class Difference(NamedTuple):
    """A field of which database and settings say different things, as texts for people."""

    field: str
    database: str
    settings: str

    def __str__(self) -> str:
        return f"{self.field} is {self.database} in the database, {self.settings} in the settings"


def rows_of(keys: Iterable[str] | None = None) -> list[PeriodicTask]:
    """The rows of these keys, or all, by name and with their schedules, in one query."""
    rows = PeriodicTask.objects.select_related(*KINDS).order_by("name")
    return list(rows if keys is None else rows.filter(name__in=list(keys)))


def present_of(keys: Iterable[str]) -> set[str]:
    """Those of the keys that are in the database."""
    return set(PeriodicTask.objects.filter(name__in=list(keys)).values_list("name", flat=True))


# What is seeded


def seed(app: Celery, entries: Mapping[str, Any] | None = None) -> Seeded:
    """Write each entry whose key is not in the database; one that is there stays as it is, whatever the settings say.

    ``entries`` are those of ``CELERY_BEAT_SCHEDULE`` unless given. An entry that the database can't hold as it is written
    is refused, and the others go on. Processes that seed at the same moment do not disturb each other.
    """
    entries = app.conf.beat_schedule if entries is None else entries
    present = present_of(entries)
    seeded = Seeded([], {})
    for key, entry in entries.items():
        if key in present:
            continue
        if reasons := faults(key, entry):
            seeded.refused[key] = reasons
            continue
        try:
            if insert(key, entry):
                seeded.written.append(key)
            present.add(key)
        except (DatabaseError, InterfaceError):
            raise
        except Exception as error:  # a fault that background/entry.py does not know: the others go on
            seeded.refused[key] = [repr(error)]
    SeededEntry.objects.bulk_create([SeededEntry(key=key) for key in present], ignore_conflicts=True)
    SeededEntry.objects.filter(~Exists(PeriodicTask.objects.filter(name=OuterRef("key")))).delete()
    return seeded


def insert(key: str, entry: Mapping[str, Any]) -> bool:
    """Write an entry; False when another process was quicker. It may instead have written just the same event of the sun,
    of which there can be only one: then the second attempt finds that.
    """
    for attempt in (1, 2):
        try:
            with transaction.atomic():
                PeriodicTask.objects.create(name=key, **ModelEntry._unpack_fields(**entry))
            return True
        except (IntegrityError, ValidationError):
            if PeriodicTask.objects.filter(name=key).exists():
                return False
            if attempt == 2:
                raise
    return False


def missing(app: Celery) -> list[str]:
    """The keys of the settings that are not in the database."""
    return sorted(set(app.conf.beat_schedule) - present_of(app.conf.beat_schedule))


def refused(app: Celery) -> dict[str, list[str]]:
    """The entries of the settings that the database can't hold as they are written, each with the reasons."""
    found = {key: faults(key, entry) for key, entry in app.conf.beat_schedule.items()}
    return {key: reasons for key, reasons in found.items() if reasons}


# Drift


def drift(app: Celery, rows: Iterable[PeriodicTask] | None = None) -> dict[str, list[Difference]]:
    """By key, where database and settings say different things of an entry that is in both. Nothing is saved.

    Of ``rows`` where they are given, and then without a query if their schedules were selected with them. A refused entry
    has no drift.
    """
    entries = app.conf.beat_schedule
    found = {}
    for row in rows_of(entries) if rows is None else rows:
        entry = entries.get(row.name)
        if entry is not None and not faults(row.name, entry) and (differences := compare(row, entry)):
            found[row.name] = differences
    return found


def compare(row: PeriodicTask, entry: Mapping[str, Any]) -> list[Difference]:
    """What a row says, beside what the entry says. ``enabled`` does not count where beat itself has ended the entry."""
    ours, theirs = wanted(entry), stored(row)
    found = [Difference(name, theirs[name], ours[name]) for name in ours if theirs[name] != ours[name]]
    differing = {difference.field for difference in found}
    if is_ended(row) and differing.isdisjoint({"schedule", "one_off", "expires"}):
        found = [difference for difference in found if difference.field != "enabled"]
    return found


def is_ended(row: PeriodicTask) -> bool:
    """Whether beat may have switched the row off: it has expired, or was to run once and may have done so.

    beat then sets back the count and the moment of the last run too, so that a row which a person has switched off before
    its one run looks the same; one whose moment is still to come does not.
    """
    now = timezone.now()
    if row.enabled:
        return False
    if row.expires and row.expires <= now:
        return True
    return bool(row.one_off and not (row.clocked and row.clocked.clocked_time > now))


def wanted(entry: Mapping[str, Any]) -> dict[str, str]:
    """What an entry of the settings says, field by field; what it does not name is the model's default."""
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
    """A schedule of the settings as the model that holds it, unsaved: the library's own way would save it."""
    schedule = maybe_schedule(schedule)
    if isinstance(schedule, crontab):
        fields = {name: str(getattr(schedule, f"_orig_{name}")) for name in CRON_FIELDS}
        return CrontabSchedule(timezone=schedule.tz, **fields)
    if isinstance(schedule, solar):
        return SolarSchedule(event=schedule.event, latitude=schedule.lat, longitude=schedule.lon)
    if isinstance(schedule, clocked):
        return ClockedSchedule(clocked_time=schedule.clocked_time)
    return IntervalSchedule(every=int(schedule.run_every.total_seconds()), period=IntervalSchedule.SECONDS)


def schedule_as_text(schedule: models.Model | None) -> str:
    """The one text of all schedules that are the same: 600 seconds are 10 minutes, a place has six decimals."""
    if isinstance(schedule, CrontabSchedule):
        return f"crontab {cron(schedule)} {schedule.timezone}"
    if isinstance(schedule, SolarSchedule):
        return f"{schedule.event} at {place(schedule)}"
    if isinstance(schedule, ClockedSchedule):
        return moment(schedule.clocked_time)
    return every(schedule) if isinstance(schedule, IntervalSchedule) else "nothing"


def as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "nothing" if value in {None, ""} else str(value)


def json_as_text(value: str) -> str:
    """JSON in one form, whatever the order of its keys; text that is none stays as it is."""
    try:
        return json.dumps(json.loads(value), sort_keys=True, ensure_ascii=False)
    except ValueError:
        return value


# What a person asks for


def apply(app: Celery, keys: Collection[str]) -> list[str]:
    """Write what the settings say over the rows of these keys, all or none, and return the keys that were written.

    A key that is not in the database is seeded. The last run and the count of runs stay, and so does a row's being off
    where beat itself has ended the entry. beat notices.

    Raises:
        UnknownEntryError: a key is not in the settings.
        RefusedEntryError: the database can't hold an entry as it is written.
    """
    entries = entries_of(app, keys)
    with transaction.atomic():
        rows = rows_of(entries)
        differing = drift(app, rows)
        for row in rows:
            if row.name in differing:
                overwrite(row, entries[row.name], [difference.field for difference in differing[row.name]])
        seeded = seed(app, entries)
        for key, reasons in seeded.refused.items():
            raise RefusedEntryError(refusal(key, reasons))
    return sorted([*differing, *seeded.written])


def entries_of(app: Celery, keys: Collection[str]) -> dict[str, Any]:
    """The settings' entries of these keys, each of which the database can hold. It raises what ``apply`` does."""
    entries = app.conf.beat_schedule
    for key in keys:
        if key not in entries:
            raise UnknownEntryError(f"{key} is not in CELERY_BEAT_SCHEDULE.{suggestion(key, entries)}")
        if reasons := faults(key, entries[key]):
            raise RefusedEntryError(refusal(key, reasons))
    return {key: entries[key] for key in keys}


def refusal(key: str, reasons: Iterable[str]) -> str:
    return f"{key} is refused: {'; '.join(reasons)}."


def overwrite(row: PeriodicTask, entry: Mapping[str, Any], names: Collection[str]) -> None:
    """Save these fields of the row as the entry says, and no other: beat may be counting a run at this moment."""
    fields = ModelEntry._unpack_fields(**entry)
    changed = [*(name for name in names if name != "schedule"), *(KINDS if "schedule" in names else ())]
    for name in changed:
        setattr(row, name, fields[name] if name in fields else PeriodicTask._meta.get_field(name).get_default())
    # What is switched off forgets its last run: PeriodicTask.save.
    row.save(update_fields=[*changed, "date_changed", *([] if row.enabled else ["last_run_at"])])


def orphans(app: Celery) -> list[str]:
    """The keys that were seeded from the settings, are in the database, and have gone from the settings."""
    seeded = SeededEntry.objects.filter(Exists(PeriodicTask.objects.filter(name=OuterRef("key"))))
    gone = set(seeded.values_list("key", flat=True)) - set(app.conf.beat_schedule) - DEFAULTS
    return sorted(gone)


def prune(app: Celery) -> list[str]:
    """Delete the orphans, and return their keys. beat notices."""
    with transaction.atomic():
        keys = orphans(app)
        PeriodicTask.objects.filter(name__in=keys).delete()
        SeededEntry.objects.filter(key__in=keys).delete()
    return keys


def origin(app: Celery, key: str, seeded: Collection[str]) -> str:
    """Where an entry of the database comes from, given the keys that were seeded.

    ``settings``; ``orphaned``, from settings that no longer have it; ``celery``, which beat adds of its own accord; or
    ``database``, made there by a person.
    """
    if key in app.conf.beat_schedule:
        return "settings"
    if key in DEFAULTS:
        return "celery"
    return "orphaned" if key in seeded else "database"


def run(app: Celery, key: str) -> AsyncResult:
    """Send the task of an entry now, as beat does when the entry is due. Its last run and its next one stay as they are.

    Raises:
        UnknownEntryError: there is no such entry; or no such task, where tasks are eager and no worker could know it.
        RefusedEntryError: the row's arguments or headers are not JSON.
        background.task.BrokerUnavailableError: the task was not sent.
    """
    row = PeriodicTask.objects.filter(name=key).first()
    if row is None:
        names = PeriodicTask.objects.values_list("name", flat=True)
        raise UnknownEntryError(f"{key} is not in the database.{suggestion(key, names)}")
    try:
        args, kwargs, options = loads(row.args or "[]"), loads(row.kwargs or "{}"), options_of(row)
    except ValueError as error:
        raise RefusedEntryError(refusal(key, [f"its arguments or headers are not JSON ({error})"])) from error
    app.loader.import_default_modules()
    if task := app.tasks.get(row.task):
        return task.apply_async(args, kwargs, **options)
    if app.conf.task_always_eager:
        raise UnknownEntryError(f"{row.task}, the task of {key}, is not registered, and there is no worker to know it.")
    return app.send_task(row.task, args, kwargs, **options)


def options_of(row: PeriodicTask) -> dict[str, Any]:
    """How beat sends the task of a row: the options of ``ModelEntry``, and the headers that it and Celery add.

    The moment at which the entry ends does not keep a person from running it afterwards.
    """
    options = {name: getattr(row, name) for name in (*ROUTES, "priority") if getattr(row, name) is not None}
    if row.expires and row.expires > timezone.now():
        options["expires"] = row.expires
    elif row.expire_seconds:
        options["expires"] = row.expire_seconds
    headers = loads(row.headers or "{}")
    return {**options, "headers": {**headers, "periodic_task_name": row.name, "celery_beat_task": True}}


def suggestion(key: str, names: Iterable[str]) -> str:
    close = get_close_matches(key, list(names), n=1)
    return f" Did you mean {close[0]}?" if close else ""
