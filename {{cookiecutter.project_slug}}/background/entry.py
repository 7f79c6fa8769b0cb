"""What the database can't hold of an entry of ``CELERY_BEAT_SCHEDULE``.

django-celery-beat drops or changes a part of an entry without a word, or logs an error and goes on without the entry.
Here the reasons are found beforehand, from the entry alone: nothing is stored, and the database is not asked.

Read in django-celery-beat 2.9, ``ModelEntry.from_entry`` and the models. tests/background/test_entry.py asks the
library itself, so that a reason that has gone is noticed.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from celery import schedules
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.timezone import is_naive
from django_celery_beat.clockedschedule import clocked
from django_celery_beat.models import SOLAR_SCHEDULES, CrontabSchedule, PeriodicTask
from django_celery_beat.tzcrontab import TzAwareCrontab
from kombu.utils.json import dumps

KINDS = (TzAwareCrontab, schedules.crontab, schedules.schedule, schedules.solar, clocked)
ARGUMENTS: dict[str, type | tuple[type, ...]] = {"args": (list, tuple), "kwargs": dict}
MOMENTS = ("start_time", "expires")
FLAGS = ("enabled", "one_off")
KEYS = {"task", "schedule", "options", "description", *ARGUMENTS, *MOMENTS, *FLAGS}
ROUTES = ("queue", "exchange", "routing_key")
OPTIONS = {"priority", "headers", "expire_seconds", *ROUTES}
CRON_FIELDS = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
LONGEST = 2**31 - 1  # seconds, 68 years: PostgreSQL's integer


def faults(key: str, entry: Mapping[str, Any]) -> list[str]:
    """Why the database can't hold this entry as it is written, in plain words; nothing where it can."""
    if not isinstance(entry, Mapping):
        return ["it is not a dict"]
    return [
        *refusal("name", key),
        *faults_of_task(entry.get("task")),
        *faults_of_keys(entry),
        *faults_of_schedule(entry),
        *faults_of_arguments(entry),
        *faults_of_options(entry),
        *faults_of_fields(entry),
    ]


def refusal(field: str, value: Any) -> Iterator[str]:
    """What the field of the entry's row has against a value."""
    try:
        PeriodicTask._meta.get_field(field).clean(value, None)
    except ValidationError as error:
        yield f"{field} is {value!r}: {' '.join(error.messages)}"


def faults_of_task(task: Any) -> Iterator[str]:
    if not isinstance(task, str):
        yield f"task is {task!r}, and must be the task's name, as text"
    else:
        yield from refusal("task", task)


def faults_of_keys(entry: Mapping[str, Any]) -> Iterator[str]:
    for name in entry.keys() - KEYS:
        if name in OPTIONS:
            yield f"{name!r} is overwritten where it stands, and belongs into 'options'"
        elif name != "relative":
            yield f"the key {name!r} is none that an entry can have"
    if entry.get("relative"):
        yield "'relative' is dropped; a crontab comes at full hours and minutes"


def faults_of_schedule(entry: Mapping[str, Any]) -> Iterator[str]:
    schedule = entry.get("schedule")
    if isinstance(schedule, timedelta):
        yield from faults_of_interval(schedule.total_seconds())
    elif isinstance(schedule, int | float):
        yield from faults_of_interval(schedule)
    elif not isinstance(schedule, KINDS):
        yield f"schedule is {schedule!r}, of a kind for which the database has no table"
    else:
        yield from faults_of_kind(schedule)
        if isinstance(schedule, schedules.schedule):
            yield from faults_of_interval(schedule.run_every.total_seconds())
        elif isinstance(schedule, schedules.crontab):
            yield from faults_of_crontab(schedule)
        elif isinstance(schedule, schedules.solar) and schedule.event not in dict(SOLAR_SCHEDULES):
            yield f"the database does not know the event {schedule.event!r} of the sun"
        elif isinstance(schedule, clocked) and not entry.get("one_off"):
            yield "a clocked entry is refused without 'one_off': True"


def faults_of_kind(schedule: Any) -> Iterator[str]:
    kind = next(kind for kind in KINDS if isinstance(schedule, kind))
    if type(schedule) is not kind:
        yield f"its schedule is stored as a plain {kind.__name__}, without what {type(schedule).__name__} adds"
    if getattr(schedule, "relative", False):
        yield "its schedule's 'relative' is dropped; a crontab comes at full hours and minutes"
    if schedule.nowfun and not isinstance(schedule, TzAwareCrontab):
        yield "its schedule's 'nowfun' is dropped; TzAwareCrontab of django_celery_beat keeps a time zone"


def faults_of_interval(seconds: float) -> Iterator[str]:
    """An interval is stored in whole seconds."""
    if not seconds >= 1:
        yield f"an interval of {seconds} s is stored as every 0 seconds, and sent as fast as beat can"
    elif seconds > LONGEST:
        yield f"an interval of {seconds} s is more than the {LONGEST} s that the database can hold"
    elif seconds % 1:
        yield f"an interval of {seconds} s loses its fraction"


def faults_of_crontab(schedule: Any) -> Iterator[str]:
    for name in CRON_FIELDS:
        value = getattr(schedule, f"_orig_{name}")
        longest = CrontabSchedule._meta.get_field(name).max_length
        if not isinstance(value, int | str):
            yield f"{name} is {value!r}, which is stored as text that beat can't read again; write '0,30' for [0, 30]"
        elif len(str(value)) > longest:
            yield f"{name} is {value!r}, longer than the {longest} characters that the database can hold"
    try:
        CrontabSchedule._meta.get_field("timezone").clean(schedule.tz, None)
    except ValidationError:
        yield f"its time zone, {schedule.tz}, has no name by which it could be stored; use a ZoneInfo"


def faults_of_arguments(entry: Mapping[str, Any]) -> Iterator[str]:
    for name, kind in ARGUMENTS.items():
        value = entry.get(name)
        if value and not isinstance(value, kind):
            yield f"{name} is {value!r}, and must be a {'dict' if kind is dict else 'list'}"
        elif not is_json(value):
            yield f"{name} is {value!r}, which is not JSON"


def faults_of_options(entry: Mapping[str, Any]) -> Iterator[str]:
    options = entry.get("options") or {}
    if not isinstance(options, Mapping):
        yield f"options is {options!r}, and must be a dict"
        return
    for name in options.keys() - OPTIONS:
        instead = "; 'expire_seconds' is kept" if name == "expires" else ""
        yield f"the option {name!r} is dropped{instead}"
    for name in ROUTES:
        if not isinstance(options.get(name), str | None):
            yield f"the option {name!r} is {options[name]!r}, and must be a name, as text"
        elif options.get(name):
            yield from refusal(name, options[name])
    if options.get("priority") is not None:
        yield from refusal("priority", options["priority"])
    headers = options.get("headers") or {}
    if not isinstance(headers, dict) or not is_json(headers):
        yield f"the option 'headers' is {headers!r}, and must be a dict that is JSON"
    seconds = options.get("expire_seconds")
    if seconds is not None and not (isinstance(seconds, int) and seconds >= 1):
        yield f"the option 'expire_seconds' is {seconds!r}, and must be a whole number of at least 1"
    if seconds is not None and entry.get("expires"):
        yield "of 'expires' and 'expire_seconds' the database takes only one"


def faults_of_fields(entry: Mapping[str, Any]) -> Iterator[str]:
    for name in (*FLAGS, "description"):
        if name in entry:
            yield from refusal(name, entry[name])
    for name in MOMENTS:
        moment = entry.get(name)
        if moment is not None and not isinstance(moment, datetime):
            yield f"{name} is {moment!r}, and must be a datetime"
        elif moment and settings.USE_TZ and is_naive(moment):
            yield f"{name} is {moment}, and needs a time zone"


def is_json(value: Any) -> bool:
    """Whether the value can be stored, and sent, as JSON: as Celery writes it, with dates and decimals."""
    try:
        dumps(value)
    except (TypeError, ValueError):
        return False
    return True
