"""Where an entry differs from the settings is found, field by field."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import crontab, solar
from django_celery_beat.clockedschedule import clocked
from django_celery_beat.models import (
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
)
from django_celery_beat.tzcrontab import TzAwareCrontab
from pytest_django import DjangoAssertNumQueries

from background.schedule.drift import Difference, drift
from background.schedule.edit import apply
from background.schedule.seed import seed
from background.tests.schedule.rows import FUTURE, PAST, SCHEDULES, change, fields, hour, last_change, row
from config import celery_app

pytestmark = pytest.mark.django_db

Entries = dict[str, dict[str, Any]]


def test_what_was_seeded_does_not_drift(entries: Entries) -> None:
    entries["arguments"] = {"task": "a", "schedule": 60, "args": (1, PAST), "kwargs": {"b": Decimal(1), "a": [1, 2]}}
    entries["options"] = {"task": "a", "schedule": 60, "options": {"queue": "a", "priority": 0, "headers": {"a": 1}}}
    entries["fields"] = {"task": "a", "schedule": 60, "enabled": False, "start_time": PAST, "expires": FUTURE}
    entries["zone"] = {"task": "a", "schedule": TzAwareCrontab(hour="7, 8", tz=ZoneInfo("Europe/Paris"))}
    entries["place"] = {"task": "a", "schedule": solar("dawn_civil", -33.86785123456, 151.2073212345)}
    entries["nothing"] = {"task": "a", "schedule": 60, "args": None, "options": None, "expires": None}

    assert len(seed(celery_app).written) == len(entries)
    assert drift(celery_app) == {}


def test_drift_names_the_field_and_both_values(entries: Entries) -> None:
    seed(celery_app)
    change("a-length-of-time", interval=hour())

    assert drift(celery_app) == {"a-length-of-time": [Difference("schedule", "every hour", "every 10 minutes")]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task", "z"),
        ("args", "[1]"),
        ("kwargs", '{"a": 1}'),
        ("kwargs", "not JSON"),
        ("queue", "long"),
        ("exchange", "a"),
        ("routing_key", "a"),
        ("priority", 0),
        ("headers", '{"a": 1}'),
        ("expire_seconds", 60),
        ("expires", FUTURE),
        ("start_time", PAST),
        ("one_off", True),
        ("enabled", False),
    ],
)
def test_a_field_that_a_person_changed_drifts(entries: Entries, field: str, value: Any) -> None:
    seed(celery_app)
    change("a-length-of-time", **{field: value})

    assert fields("a-length-of-time") == {field}


@pytest.mark.parametrize(
    ("key", "new"),
    [
        ("a-time-of-day", crontab(hour=8, minute=30)),
        ("a-time-of-day", crontab(hour=7, minute=30, day_of_week="mon")),
        ("a-time-of-day", TzAwareCrontab(hour=7, minute=30, tz=ZoneInfo("Asia/Tokyo"))),
        ("a-time-of-day", timedelta(days=1)),
        ("a-length-of-time", 601),
        ("an-event-of-the-sun", solar("sunrise", 51.4769, 0.0)),
        ("an-event-of-the-sun", solar("sunset", 51.476901, 0.0)),
        ("a-moment", clocked(datetime(2030, 1, 1, 0, 0, 1, tzinfo=UTC))),
    ],
    ids=str,
)
def test_a_schedule_that_the_settings_changed_drifts(entries: Entries, key: str, new: Any) -> None:
    seed(celery_app)
    entries[key]["schedule"] = new

    assert fields(key) == {"schedule"}


def test_the_same_schedule_in_other_words_does_not_drift(entries: Entries) -> None:
    seed(celery_app)
    entries["a-length-of-time"]["schedule"] = 600
    entries["a-moment"]["schedule"] = clocked(datetime(2030, 1, 1, 9, tzinfo=ZoneInfo("Asia/Tokyo")))
    change("a-length-of-time", interval=IntervalSchedule.objects.create(every=10, period="minutes"))
    change("a-time-of-day", crontab=CrontabSchedule.objects.create(minute="30", hour="7", timezone="UTC"))
    entries["a-time-of-day"]["schedule"] = TzAwareCrontab(minute=30, hour=7)
    change("an-event-of-the-sun", kwargs=' {"months":1}')

    assert drift(celery_app) == {}


def test_a_description_drifts_only_from_one_in_the_settings(entries: Entries) -> None:
    entries["a-moment"]["description"] = "Why."
    seed(celery_app)
    PeriodicTask.objects.update(description="A person's.")

    assert list(drift(celery_app)) == ["a-moment"]


def test_what_has_run_its_one_time_does_not_drift_by_being_off(entries: Entries) -> None:
    """beat switches the row off, and forgets the run."""
    entries["a-moment"]["schedule"] = clocked(PAST)
    entries["a-length-of-time"]["one_off"] = True
    seed(celery_app)
    change("a-moment", enabled=False)
    change("a-length-of-time", enabled=False)

    assert drift(celery_app) == {}


def test_a_moment_to_come_that_a_person_switched_off_drifts(entries: Entries) -> None:
    seed(celery_app)
    change("a-moment", enabled=False)

    assert fields("a-moment") == {"enabled"}


def test_an_expired_entry_does_not_drift_by_being_off(entries: Entries) -> None:
    entries["a-time-of-day"]["expires"] = PAST
    seed(celery_app)
    change("a-time-of-day", enabled=False)

    assert drift(celery_app) == {}


def test_a_past_moment_that_the_settings_postpone_drifts_and_is_on_again(entries: Entries) -> None:
    entries["a-moment"]["schedule"] = clocked(PAST)
    seed(celery_app)
    change("a-moment", enabled=False)
    entries["a-moment"]["schedule"] = clocked(FUTURE)

    assert fields("a-moment") == {"schedule", "enabled"}
    apply(celery_app, ["a-moment"])
    assert (row("a-moment").enabled, row("a-moment").clocked.clocked_time) == (True, FUTURE)


def test_an_entry_with_faults_has_no_drift(entries: Entries) -> None:
    seed(celery_app)
    entries["a-length-of-time"]["schedule"] = 0.5

    assert drift(celery_app) == {}


def test_drift_is_one_query_and_saves_nothing(
    entries: Entries, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    seed(celery_app)
    for entry in entries.values():
        entry["schedule"] = crontab(minute="1")
    before = [model.objects.count() for model in SCHEDULES], last_change()

    with django_assert_num_queries(1):
        assert len(drift(celery_app)) == len(entries)
    assert ([model.objects.count() for model in SCHEDULES], last_change()) == before
