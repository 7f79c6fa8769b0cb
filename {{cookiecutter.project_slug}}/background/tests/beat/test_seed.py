"""beat seeds the schedule when it starts, and says what it found."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery.schedules import crontab
from django.db import DatabaseError
from django_celery_beat.models import PeriodicTask

from background.beat import scheduler as module
from background.beat.scheduler import Scheduler

pytestmark = pytest.mark.django_db

Entries = dict[str, dict[str, Any]]
Start = Callable[[], Scheduler]
CLEANUP = "celery.backend_cleanup"


def messages(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [
        record.getMessage() for record in caplog.records if record.levelno == level and record.name == module.__name__
    ]


def test_a_start_of_beat_seeds_the_entries_and_celery_s_own(start: Start, entries: Entries) -> None:
    scheduler = start()

    assert set(PeriodicTask.objects.values_list("name", flat=True)) == {*entries, CLEANUP}
    assert scheduler.schedule["a-length-of-time"].schedule.run_every == timedelta(minutes=10)


def test_a_start_of_beat_changes_no_row(start: Start, entries: Entries) -> None:
    start()
    PeriodicTask.objects.update(queue="long", description="A person's.")
    before = list(PeriodicTask.objects.order_by("pk").values())

    start()

    assert list(PeriodicTask.objects.order_by("pk").values()) == before


def test_an_entry_that_is_off_is_seeded_and_does_not_run(start: Start, entries: Entries) -> None:
    entries["a-length-of-time"]["enabled"] = False

    scheduler = start()

    assert "a-length-of-time" not in scheduler.schedule
    assert PeriodicTask.objects.filter(name="a-length-of-time", enabled=False).exists()


def test_the_settings_win_over_celery_s_own_entry(
    start: Start, entries: Entries, caplog: pytest.LogCaptureFixture
) -> None:
    entries[CLEANUP] = {"task": CLEANUP, "schedule": crontab(hour=5, minute=0)}

    start()

    assert PeriodicTask.objects.get(name=CLEANUP).crontab.hour == "5"
    assert messages(caplog, logging.WARNING) == []


def test_a_refused_entry_is_an_error_with_its_reasons(
    start: Start, entries: Entries, caplog: pytest.LogCaptureFixture
) -> None:
    entries["a-faulty-one"] = {"task": "a", "schedule": 0.5}

    scheduler = start()

    (error,) = messages(caplog, logging.ERROR)
    assert "a-faulty-one" in error
    assert "every 0 seconds" in error
    assert "a-length-of-time" in scheduler.schedule


def test_drift_is_one_warning_an_entry_with_both_values(
    start: Start, entries: Entries, caplog: pytest.LogCaptureFixture
) -> None:
    start()
    PeriodicTask.objects.filter(name="a-length-of-time").update(queue="long", priority=3)

    start()

    (warning,) = messages(caplog, logging.WARNING)
    assert "a-length-of-time" in warning
    assert "queue is long in the database, nothing in the settings" in warning
    assert "priority is 3" in warning


def test_orphans_are_one_warning_and_go_on_running(
    start: Start, entries: Entries, caplog: pytest.LogCaptureFixture
) -> None:
    start()
    for key in ("a-length-of-time", "a-time-of-day"):
        del entries[key]

    scheduler = start()

    (warning,) = messages(caplog, logging.WARNING)
    assert "a-length-of-time, a-time-of-day" in warning
    assert "a-length-of-time" in scheduler.schedule


def test_an_error_of_the_database_is_not_hidden(
    start: Start, entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr(module, "drift", fail)

    with pytest.raises(DatabaseError):
        start()
