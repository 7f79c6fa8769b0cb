"""The settings seed the schedule, and what a person changes there stays."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django_celery_beat.models import (
    PeriodicTask,
    SolarSchedule,
)
from django_celery_beat.schedulers import ModelEntry

from background.models import SeededEntry
from background.schedule import seed as seeding
from background.schedule.kinds import FIELDS
from background.schedule.seed import orphans, seed
from background.tests.schedule.rows import PAST, change, hour, row
from config import celery_app

pytestmark = pytest.mark.django_db

Entries = dict[str, dict[str, Any]]


def test_seed_writes_every_entry_of_the_settings(entries: Entries) -> None:
    written, refused = seed(celery_app)

    assert set(PeriodicTask.objects.values_list("name", flat=True)) == set(written) == set(entries)
    assert refused == {}


def test_seed_writes_nothing_the_second_time(entries: Entries) -> None:
    seed(celery_app)
    before = list(PeriodicTask.objects.order_by("pk").values())

    assert seed(celery_app) == ([], {})
    assert list(PeriodicTask.objects.order_by("pk").values()) == before


def test_seed_leaves_what_an_administrator_changed(entries: Entries) -> None:
    seed(celery_app)
    change("an-event-of-the-sun", enabled=False, kwargs='{"months": 6}')

    seed(celery_app)

    assert (row("an-event-of-the-sun").enabled, row("an-event-of-the-sun").kwargs) == (False, '{"months": 6}')


def test_a_seeded_row_is_the_one_that_the_library_writes(entries: Entries) -> None:
    entries["a"] = {
        "task": "a",
        "schedule": timedelta(minutes=10),
        "args": (1, PAST),
        "options": {"queue": "long", "priority": 3, "headers": {"a": 1}, "expire_seconds": 60},
        "description": "Why.",
    }
    ModelEntry.from_entry("b", app=celery_app, **entries["a"])
    seed(celery_app)

    ours, theirs = (PeriodicTask.objects.values().get(name=name) for name in ("a", "b"))
    own = {"id", "name", "date_changed"}
    assert {name for name, value in ours.items() if value != theirs[name]} == own


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("a-time-of-day", "crontab"),
        ("a-length-of-time", "interval"),
        ("an-event-of-the-sun", "solar"),
        ("a-moment", "clocked"),
    ],
)
def test_each_kind_of_schedule_is_stored_as_its_own(entries: Entries, key: str, kind: str) -> None:
    seed(celery_app)

    assert [name for name in FIELDS if getattr(row(key), name) is not None] == [kind]


def test_an_entry_with_faults_is_refused_and_the_others_go_on(entries: Entries) -> None:
    entries["a-faulty-one"] = {"task": "a", "schedule": 0.5, "options": {"countdown": 3}}

    written, refused = seed(celery_app)

    assert "a-faulty-one" not in written
    assert len(written) == 4
    assert len(refused["a-faulty-one"]) == 2
    assert not PeriodicTask.objects.filter(name="a-faulty-one").exists()


def test_what_only_the_library_refuses_is_refused_too(entries: Entries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeding, "faults", lambda key, entry: [])
    entries["a-faulty-one"] = {"task": "a", "schedule": "0 4 * * *"}

    written, refused = seed(celery_app)

    assert len(written) == 4
    assert "a-faulty-one" in refused


@pytest.mark.parametrize("checks", [True, False], ids=["seen by the library", "seen by the database"])
def test_an_entry_that_another_process_writes_at_the_same_moment_is_there(
    entries: Entries, monkeypatch: pytest.MonkeyPatch, checks: bool
) -> None:
    seed(celery_app)
    monkeypatch.setattr(seeding, "present_of", lambda keys: set())
    if not checks:
        monkeypatch.setattr(PeriodicTask, "validate_unique", lambda self: None)

    assert seed(celery_app) == ([], {})
    assert PeriodicTask.objects.count() == len(entries)


def test_an_event_of_the_sun_that_another_process_writes_at_the_same_moment_is_taken(
    entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = SolarSchedule.objects.create(event="sunset", latitude=Decimal("51.4769"), longitude=0)
    answers = iter([SolarSchedule(event="sunset", latitude=51.4769, longitude=0), event])
    monkeypatch.setattr(SolarSchedule, "from_schedule", lambda schedule: next(answers))

    assert "an-event-of-the-sun" in seed(celery_app).written
    assert row("an-event-of-the-sun").solar == event


def test_what_the_settings_seeded_is_recorded(entries: Entries) -> None:
    PeriodicTask.objects.create(name="a-person-s", task="a", interval=hour())
    PeriodicTask.objects.create(name="a-moment", task="a", interval=hour())

    seed(celery_app)

    assert set(SeededEntry.objects.values_list("key", flat=True)) == set(entries)


def test_the_record_goes_with_the_row(entries: Entries) -> None:
    """A person may use the name again."""
    seed(celery_app)
    del entries["a-moment"]
    row("a-moment").delete()

    seed(celery_app)
    PeriodicTask.objects.create(name="a-moment", task="a", interval=hour())

    assert orphans(celery_app) == []
