"""Why the database can't hold an entry of ``CELERY_BEAT_SCHEDULE`` as it is written.

django-celery-beat silently drops or changes a part of such an entry, or logs an error and goes on without the entry.
Here the reasons are found beforehand, from the entry alone. Nothing is stored, and the database is not queried.

The rules are those of django-celery-beat 2.9, ``ModelEntry.from_entry`` and the models.
background/tests/schedule/test_faults.py tries each of them on the library and fails when one no longer holds.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.timezone import is_naive
from django_celery_beat.models import PeriodicTask
from kombu.utils.json import dumps

from background.schedule.kinds import Clocked, Interval, kind_of

ARGUMENTS: dict[str, type | tuple[type, ...]] = {"args": (list, tuple), "kwargs": dict}
MOMENTS = ("start_time", "expires")
FLAGS = ("enabled", "one_off")
KEYS = {"task", "schedule", "options", "description", *ARGUMENTS, *MOMENTS, *FLAGS}
ROUTES = ("queue", "exchange", "routing_key")
OPTIONS = {"priority", "headers", "expire_seconds", *ROUTES}


def faults(key: str, entry: Mapping[str, Any]) -> list[str]:
    """Why the database can't hold this entry as it is written, in plain words. An empty list if it can."""
    if not isinstance(entry, Mapping):
        return ["it is not a dict"]
    return [
        *faults_of_field("name", key),
        *faults_of_task(entry.get("task")),
        *faults_of_keys(entry),
        *faults_of_schedule(entry),
        *faults_of_arguments(entry),
        *faults_of_options(entry),
        *faults_of_moments(entry),
    ]


def faults_of_field(field: str, value: Any) -> Iterator[str]:
    """What the model's validators say of a value."""
    try:
        PeriodicTask._meta.get_field(field).clean(value, None)
    except ValidationError as error:
        yield f"{field} is {value!r}: {' '.join(error.messages)}"


def faults_of_task(task: Any) -> Iterator[str]:
    if not isinstance(task, str):
        yield f"task is {task!r}, but must be the task's name as a string"
    else:
        yield from faults_of_field("task", task)


def faults_of_keys(entry: Mapping[str, Any]) -> Iterator[str]:
    for name in entry.keys() - KEYS:
        if name in OPTIONS:
            yield f"{name!r} is overwritten here; move it into 'options'"
        elif name != "relative":
            yield f"the key {name!r} is unknown"
    if entry.get("relative"):
        yield "'relative' is dropped; a crontab runs at full hours and minutes"


def faults_of_schedule(entry: Mapping[str, Any]) -> Iterator[str]:
    schedule = entry.get("schedule")
    if isinstance(schedule, timedelta):
        yield from Interval.faults_of_length(schedule.total_seconds())
    elif isinstance(schedule, int | float):
        yield from Interval.faults_of_length(schedule)
    elif (kind := kind_of(schedule)) is None or not isinstance(schedule, kind.classes):
        yield f"schedule is {schedule!r}, for which the database has no table"
    else:
        yield from kind.faults(schedule)
        if kind is Clocked and not entry.get("one_off"):
            yield "a clocked entry needs 'one_off': True"


def faults_of_arguments(entry: Mapping[str, Any]) -> Iterator[str]:
    for name, kind in ARGUMENTS.items():
        value = entry.get(name)
        if value and not isinstance(value, kind):
            yield f"{name} is {value!r}, but must be a {'dict' if kind is dict else 'list'}"
        elif not is_json(value):
            yield f"{name} is {value!r}, which is not JSON"


def faults_of_options(entry: Mapping[str, Any]) -> Iterator[str]:
    options = entry.get("options") or {}
    if not isinstance(options, Mapping):
        yield f"options is {options!r}, but must be a dict"
        return
    for name in options.keys() - OPTIONS:
        instead = "; use 'expire_seconds'" if name == "expires" else ""
        yield f"the option {name!r} is dropped{instead}"
    for name in ROUTES:
        if not isinstance(options.get(name), str | None):
            yield f"the option {name!r} is {options[name]!r}, but must be a name as a string"
        elif options.get(name):
            yield from faults_of_field(name, options[name])
    if options.get("priority") is not None:
        yield from faults_of_field("priority", options["priority"])
    headers = options.get("headers") or {}
    if not isinstance(headers, dict) or not is_json(headers):
        yield f"the option 'headers' is {headers!r}, but must be a dict that JSON can represent"
    seconds = options.get("expire_seconds")
    if seconds is not None and not (isinstance(seconds, int) and seconds >= 1):
        yield f"the option 'expire_seconds' is {seconds!r}, but must be a whole number of at least 1"
    if seconds is not None and entry.get("expires"):
        yield "the database takes either 'expires' or 'expire_seconds', not both"


def faults_of_moments(entry: Mapping[str, Any]) -> Iterator[str]:
    for name in (*FLAGS, "description"):
        if name in entry:
            yield from faults_of_field(name, entry[name])
    for name in MOMENTS:
        moment = entry.get(name)
        if moment is not None and not isinstance(moment, datetime):
            yield f"{name} is {moment!r}, but must be a datetime"
        elif moment and settings.USE_TZ and is_naive(moment):
            yield f"{name} is {moment}, but needs a time zone"


def is_json(value: Any) -> bool:
    """Whether the value can be stored and sent as JSON, as Celery writes it: with dates and decimals."""
    try:
        dumps(value)
    except (TypeError, ValueError):
        return False
    return True
