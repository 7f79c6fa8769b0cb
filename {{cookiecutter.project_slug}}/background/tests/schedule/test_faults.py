"""What the database can't hold of an entry is found beforehand, and django-celery-beat really can't hold it."""

from collections import UserDict
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from celery import schedules
from celery.schedules import crontab, schedule, solar
from django.db import transaction
from django_celery_beat.clockedschedule import clocked
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import ModelEntry
from django_celery_beat.tzcrontab import TzAwareCrontab

from background.schedule.faults import OPTIONS, faults
from config import celery_app

HOUR = timedelta(hours=1)
MOMENT = datetime(2030, 1, 1, tzinfo=UTC)


class FullMoon(schedules.BaseSchedule):  # type: ignore[misc, unused-ignore]
    """A kind of schedule that the database has no table for."""


class Workdays(crontab):  # type: ignore[misc, unused-ignore]
    """A crontab that would leave out holidays."""


def moonrise() -> solar:
    """As if a later Celery knew more events than the database."""
    event = solar("sunset", 51.4769, 0.0)
    event.event = "moonrise"
    return event


def entry(**parts: Any) -> dict[str, Any]:
    return {"task": "a", "schedule": HOUR, **parts}


def stored(key: str = "a-key", **parts: Any) -> PeriodicTask:
    """The row that the library makes of an entry."""
    ModelEntry.from_entry(key, app=celery_app, **entry(**parts))
    return PeriodicTask.objects.get(name=key)


SOUND = {
    "seconds": entry(schedule=30),
    "length": entry(schedule=HOUR),
    "interval": entry(schedule=schedule(HOUR)),
    "time": entry(schedule=crontab(minute="0,30", hour=7)),
    "zone": entry(schedule=TzAwareCrontab(hour="7")),
    "sun": entry(schedule=solar("sunset", 51.4769, 0.0)),
    "moment": entry(schedule=clocked(MOMENT), one_off=True),
    "arguments": entry(args=(1, MOMENT), kwargs={"months": 1}),
    "options": entry(options={"queue": "a", "priority": 3, "headers": {"a": 1}, "expire_seconds": 60}),
    "fields": entry(enabled=False, one_off=True, start_time=MOMENT, expires=MOMENT, description="a"),
    "empty": entry(args=None, kwargs=None, options=None, description="", start_time=None, expires=None),
    "not relative": entry(relative=False),
}

# What the library refuses: beat logs an error, and the entry is missing.
REFUSED = {
    "no schedule": (entry(schedule=None), "no table"),
    "text": (entry(schedule="0 4 * * *"), "no table"),
    "another kind": (entry(schedule=FullMoon()), "no table"),
    "moment again and again": (entry(schedule=clocked(MOMENT)), "'one_off'"),
    "zone without a name": (entry(schedule=TzAwareCrontab(tz=timezone(HOUR))), "time zone"),
    "unknown key": (entry(crontabs="a"), "'crontabs'"),
    "own name": (entry(name="a"), "'name'"),
    "timedelta": (entry(kwargs={"since": HOUR}), "not JSON"),
    "set": (entry(args=[{1, 2}]), "not JSON"),
    "lazy": (entry(args=[lambda: 1]), "not JSON"),
    "negative priority": (entry(options={"priority": -1}), "priority"),
    "expiry as a timedelta": (entry(options={"expire_seconds": HOUR}), "'expire_seconds'"),
    "two expiries": (entry(expires=MOMENT, options={"expire_seconds": 1}), "not both"),
    "list of headers": (entry(options={"headers": ["a"]}), "'headers'"),
    "options that are a list": (entry(options=["queue"]), "options"),
    "flag as text": (entry(enabled="no"), "enabled"),
    "empty flag": (entry(one_off=""), "one_off"),
    "no description": (entry(description=None), "description"),
    "naive": (entry(start_time=datetime(2030, 1, 1)), "needs a time zone"),
    "day as text": (entry(expires="tomorrow"), "must be a datetime"),
}

# What the library stores as something else. The last one says what the row should say, and doesn't.
CHANGED = {
    "half a second": (entry(schedule=0.5), "every 0 seconds", lambda row: row.interval.every > 0),
    "negative": (entry(schedule=-5), "every 0 seconds", lambda row: row.interval.every > 0),
    "fraction": (entry(schedule=timedelta(seconds=1.5)), "fraction", lambda row: row.interval.every == 1.5),
    "fraction of a schedule": (entry(schedule=schedule(1.5)), "fraction", lambda row: row.interval.every == 1.5),
    "subclass": (entry(schedule=Workdays()), "Workdays", lambda row: isinstance(row.schedule, Workdays)),
    "relative": (entry(relative=True), "'relative'", lambda row: row.schedule.relative),
    "relative schedule": (
        entry(schedule=schedule(HOUR, relative=True)),
        "'relative'",
        lambda row: row.schedule.relative,
    ),
    "own clock": (
        entry(schedule=crontab(nowfun=datetime.now)),
        "'nowfun'",
        lambda row: row.schedule.nowfun == datetime.now,
    ),
    "queue outside the options": (entry(queue="long"), "'queue'", lambda row: row.queue == "long"),
    "route that is not text": (
        entry(options={"queue": UserDict(name="long")}),
        "'queue'",
        lambda row: row.queue == "long",
    ),
    "expiry of no time": (
        entry(options={"expire_seconds": 0}),
        "'expire_seconds'",
        lambda row: ModelEntry(row, app=celery_app).options.get("expires") == 0,
    ),
    "expiry with a fraction": (
        entry(options={"expire_seconds": 1.5}),
        "'expire_seconds'",
        lambda row: row.expire_seconds == 1.5,
    ),
    "arguments as text": (entry(args="abc"), "args", lambda row: ModelEntry(row, app=celery_app).args == ["abc"]),
    "no task": ({"task": "", "schedule": HOUR}, "task", lambda row: row.task != ""),
    "function": (entry(task=entry), "task", lambda row: row.task == "entry"),
}

# What SQLite takes and PostgreSQL does not, or the admin refuses.
TOO_MUCH = {
    "long interval": (entry(schedule=timedelta(days=365 * 100)), "longer than"),
    "long crontab": (entry(schedule=crontab(day_of_week=",".join(["mon"] * 40))), "day_of_week"),
    "long task": (entry(task="a" * 201), "task"),
    "long queue": (entry(options={"queue": "a" * 201}), "queue"),
    "high priority": (entry(options={"priority": 256}), "priority"),
    "unknown event": (entry(schedule=moonrise()), "'moonrise'"),
    "day as text that is one": (entry(start_time="2030-01-01"), "must be a datetime"),
}


@pytest.mark.parametrize("parts", SOUND.values(), ids=SOUND)
def test_an_entry_that_the_database_can_hold_has_no_faults(parts: dict[str, Any]) -> None:
    assert faults("a-key", parts) == []


@pytest.mark.django_db
@pytest.mark.parametrize("parts", SOUND.values(), ids=SOUND)
def test_the_library_takes_it_too(parts: dict[str, Any]) -> None:
    assert stored(**parts).enabled is parts.get("enabled", True)


@pytest.mark.parametrize(("parts", "reason"), [*REFUSED.values(), *TOO_MUCH.values()], ids=[*REFUSED, *TOO_MUCH])
def test_an_entry_that_the_database_does_not_take_has_one_fault(parts: dict[str, Any], reason: str) -> None:
    (fault,) = faults("a-key", parts)

    assert reason in fault


@pytest.mark.django_db
@pytest.mark.parametrize("parts", [parts for parts, _ in REFUSED.values()], ids=REFUSED)
def test_the_library_does_not_take_it(parts: dict[str, Any]) -> None:
    with pytest.raises(Exception), transaction.atomic():  # noqa: B017, PT011 of one kind each
        stored(**parts)


@pytest.mark.parametrize(("parts", "reason"), [case[:2] for case in CHANGED.values()], ids=CHANGED)
def test_an_entry_that_is_stored_as_something_else_has_one_fault(parts: dict[str, Any], reason: str) -> None:
    (fault,) = faults("a-key", parts)

    assert reason in fault


@pytest.mark.django_db
@pytest.mark.parametrize(("parts", "keeps"), [(case[0], case[2]) for case in CHANGED.values()], ids=CHANGED)
def test_the_library_stores_it_as_something_else(parts: dict[str, Any], keeps: Any) -> None:
    assert not keeps(stored(**parts))


@pytest.mark.django_db
@pytest.mark.parametrize("minutes", [[0, 30], {0, 30}, (0, 30)])
def test_a_list_in_a_crontab_is_stored_as_text_that_cannot_be_read(minutes: Any) -> None:
    """beat then goes on without the entry, and logs nothing."""
    (fault,) = faults("a-key", entry(schedule=crontab(minute=minutes)))
    row = stored(schedule=crontab(minute=minutes))

    assert "can't read" in fault
    with pytest.raises(ValueError, match="Invalid weekday"):
        PeriodicTask.objects.get(pk=row.pk).schedule  # noqa: B018


@pytest.mark.django_db
@pytest.mark.parametrize("option", ["expires", "countdown", "eta", "serializer", "ignore_result", "time_limit"])
def test_an_option_that_the_library_drops_is_a_fault(option: str) -> None:
    (fault,) = faults("a-key", entry(options={option: 30}))
    kept = ModelEntry(stored(options={option: 30}), app=celery_app).options

    assert f"{option!r} is dropped" in fault
    assert kept.keys() <= {"headers"}


@pytest.mark.django_db
def test_an_option_that_is_no_fault_is_kept() -> None:
    options = {"queue": "a", "exchange": "b", "routing_key": "c", "priority": 1, "expire_seconds": 2}
    row = stored(options={**options, "headers": {"d": 3}})

    assert options.keys() | {"headers"} == OPTIONS
    assert {name: getattr(row, name) for name in options} == options
    assert row.headers == '{"d": 3}'


def test_a_name_is_at_most_200_characters() -> None:
    assert faults("a" * 200, entry()) == []
    assert len(faults("a" * 201, entry())) == 1


def test_what_is_no_entry_at_all_is_a_fault() -> None:
    assert faults("a-key", ["a", HOUR]) == ["it is not a dict"]  # type: ignore[arg-type]


def test_every_fault_of_an_entry_is_named() -> None:
    both = faults("a-key", {"task": "a", "schedule": 0.5, "args": [HOUR], "options": {"countdown": 3}})

    assert len(both) == 3
