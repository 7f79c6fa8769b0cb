"""The settings seed the schedule; the database keeps it."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from celery.schedules import crontab, solar
from django.core.management import call_command
from django.utils import timezone
from django_celery_beat.clockedschedule import clocked
from django_celery_beat.models import PeriodicTask

from config import celery_app

pytestmark = pytest.mark.django_db

SCHEDULE = {
    "a-time-of-day": {"task": "a", "schedule": crontab(hour=7, minute=30)},
    "a-length-of-time": {"task": "b", "schedule": timedelta(minutes=10)},
    "an-event-of-the-sun": {"task": "c", "schedule": solar("sunset", 51.4769, 0.0)},
    "a-moment": {"task": "d", "schedule": clocked(datetime(2030, 1, 1, tzinfo=UTC)), "one_off": True},
}


@pytest.fixture(autouse=True)
def settings_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry of each kind, whatever the project's own settings hold."""
    monkeypatch.setitem(celery_app.conf, "beat_schedule", SCHEDULE)


def schedule(*args: str) -> str:
    out = StringIO()
    call_command("schedule", *args, stdout=out)
    return out.getvalue()


def test_seed_writes_every_entry_of_the_settings() -> None:
    out = schedule("seed")

    assert set(PeriodicTask.objects.values_list("name", flat=True)) == set(SCHEDULE)
    assert out.count("Seeded") == len(SCHEDULE)


def test_seed_writes_nothing_the_second_time() -> None:
    schedule("seed")
    before = list(PeriodicTask.objects.order_by("pk").values())

    assert "Seeded" not in schedule("seed")
    assert list(PeriodicTask.objects.order_by("pk").values()) == before


def test_seed_leaves_what_an_administrator_changed() -> None:
    schedule("seed")
    PeriodicTask.objects.filter(name="an-event-of-the-sun").update(enabled=False, kwargs='{"months": 6}')

    schedule("seed")

    entry = PeriodicTask.objects.get(name="an-event-of-the-sun")
    assert (entry.enabled, entry.kwargs) == (False, '{"months": 6}')


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("a-time-of-day", "crontab"),
        ("a-length-of-time", "interval"),
        ("an-event-of-the-sun", "solar"),
        ("a-moment", "clocked"),
    ],
)
def test_each_kind_of_schedule_is_stored_as_its_own(key: str, kind: str) -> None:
    schedule("seed")

    entry = PeriodicTask.objects.get(name=key)
    kinds = ["crontab", "interval", "solar", "clocked"]
    assert [name for name in kinds if getattr(entry, name) is not None] == [kind]


def test_a_moment_is_stored_as_an_entry_that_runs_once() -> None:
    schedule("seed")

    assert PeriodicTask.objects.get(name="a-moment").one_off


def test_the_list_shows_each_entry_with_its_state_and_its_last_run() -> None:
    schedule("seed")
    PeriodicTask.objects.filter(name="an-event-of-the-sun").update(last_run_at=timezone.now(), enabled=False)

    lines = {line.split()[0]: line for line in schedule().splitlines()}
    assert lines.keys() == set(SCHEDULE)
    assert " off " in lines["an-event-of-the-sun"]
    assert f"{timezone.localdate():%Y-%m-%d}" in lines["an-event-of-the-sun"]
    assert "never" in lines["a-time-of-day"]
