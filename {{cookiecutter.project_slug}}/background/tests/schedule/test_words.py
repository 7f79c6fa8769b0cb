"""When an entry runs: in words, and as a moment that is the scheduler's own."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.schedules import crontab
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from django_celery_beat.tzcrontab import TzAwareCrontab

from background.schedule.drift import as_row
from background.schedule.words import next_run, readable, words
from config import celery_app

FUTURE = datetime(2040, 1, 1, 12, 30, tzinfo=UTC)


def entry(schedule: Any, **fields: Any) -> PeriodicTask:
    """A row that is not in the database, and was changed just now."""
    kinds = {IntervalSchedule: "interval", CrontabSchedule: "crontab", ClockedSchedule: "clocked"}
    held = as_row(schedule)
    return PeriodicTask(**{kinds[type(held)]: held, "date_changed": timezone.now(), **fields})


def due(row: PeriodicTask) -> datetime | None:
    return next_run(celery_app, row, readable(row))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (IntervalSchedule(every=600, period="seconds"), "every 10 minutes"),
        (IntervalSchedule(every=1, period="hours"), "every hour"),
        (IntervalSchedule(every=90, period="minutes"), "every 90 minutes"),
        (IntervalSchedule(every=48, period="hours"), "every 2 days"),
        (IntervalSchedule(every=1, period="seconds"), "every second"),
        (IntervalSchedule(every=500, period="microseconds"), "every 0.0005 seconds"),
        (CrontabSchedule(minute="30", hour="7", timezone="Europe/Paris"), "At 07:30 AM Europe/Paris"),
        (SolarSchedule(event="dawn_civil", latitude=51.4769, longitude=0), "dawn civil at 51.4769, 0.0"),
        (ClockedSchedule(clocked_time=FUTURE), f"once at {timezone.localtime(FUTURE):%Y-%m-%d %H:%M:%S}"),
        (None, "never"),
    ],
)
def test_a_schedule_in_words(schedule: Any, expected: str) -> None:
    assert words(schedule) == expected


def test_an_interval_counts_from_the_last_run() -> None:
    last = timezone.now() - timedelta(minutes=4)

    assert due(entry(timedelta(minutes=10), last_run_at=last)) == last + timedelta(minutes=10)


def test_an_interval_that_has_never_run_counts_from_the_last_change() -> None:
    changed = timezone.now() - timedelta(minutes=4)

    assert due(entry(timedelta(minutes=10), date_changed=changed)) == changed + timedelta(minutes=10)


def test_a_crontab_is_read_in_its_own_time_zone() -> None:
    row = entry(crontab(hour=7, minute=30))
    row.crontab.timezone = "Asia/Tokyo"

    found = due(row)

    assert found is not None
    assert (found.astimezone(UTC).hour, found.minute, found.second) == (22, 30, 0)
    assert timedelta() < found - timezone.now() <= timedelta(days=1)


def test_an_overdue_entry_runs_now() -> None:
    before = timezone.now()

    found = due(entry(timedelta(minutes=10), last_run_at=before - timedelta(days=1)))

    assert found is not None
    assert before <= found <= timezone.now()


def test_no_entry_runs_before_its_start_time() -> None:
    assert due(entry(timedelta(minutes=10), start_time=FUTURE)) == FUTURE
    assert due(entry(TzAwareCrontab(minute=0), start_time=FUTURE)) == FUTURE + timedelta(minutes=30)


@pytest.mark.parametrize(
    "fields",
    [
        {"enabled": False},
        {"expires": datetime(2020, 1, 1, tzinfo=UTC)},
        {"one_off": True, "total_run_count": 1},
    ],
    ids=["off", "expired", "has run its one time"],
)
def test_an_entry_that_is_off_or_over_has_no_next_run(fields: dict[str, Any]) -> None:
    assert due(entry(timedelta(minutes=10), **fields)) is None


def test_a_schedule_that_beat_cannot_read_is_none() -> None:
    assert readable(entry(crontab(minute=[0, 30]))) is None
    assert readable(PeriodicTask(name="without a schedule")) is None
