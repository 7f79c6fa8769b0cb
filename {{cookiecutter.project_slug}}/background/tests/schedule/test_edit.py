"""The settings win where a person asks for it."""

from datetime import timedelta
from typing import Any

import pytest
from celery.schedules import crontab
from django_celery_beat.clockedschedule import clocked
from django_celery_beat.models import (
    PeriodicTask,
)

from background.models import SeededEntry
from background.schedule import edit
from background.schedule.drift import drift
from background.schedule.edit import apply, prune
from background.schedule.rows import RefusedEntryError, UnknownEntryError
from background.schedule.seed import origin as origin_of
from background.schedule.seed import orphans, seed
from background.tests.schedule.rows import PAST, change, hour, last_change, row
from config import celery_app

pytestmark = pytest.mark.django_db

Entries = dict[str, dict[str, Any]]


def test_apply_writes_what_the_settings_say(entries: Entries) -> None:
    seed(celery_app)
    change("a-length-of-time", task="z", interval=hour(), queue="long", enabled=False, start_time=PAST)
    change("an-event-of-the-sun", kwargs="{}")

    assert apply(celery_app, ["a-length-of-time"]) == ["a-length-of-time"]
    assert list(drift(celery_app)) == ["an-event-of-the-sun"]
    assert row("a-length-of-time").schedule.run_every == timedelta(minutes=10)


def test_apply_changes_the_kind_of_the_schedule(entries: Entries) -> None:
    seed(celery_app)
    entries["a-moment"] = {"task": "d", "schedule": crontab(minute=0)}

    apply(celery_app, ["a-moment"])

    assert (row("a-moment").clocked, row("a-moment").one_off) == (None, False)
    assert row("a-moment").crontab.minute == "0"


def test_apply_keeps_the_last_run_and_the_count(entries: Entries) -> None:
    seed(celery_app)
    change("a-length-of-time", last_run_at=PAST, total_run_count=7, queue="long")

    apply(celery_app, ["a-length-of-time"])

    assert (row("a-length-of-time").last_run_at, row("a-length-of-time").total_run_count) == (PAST, 7)


def test_apply_keeps_a_run_that_beat_counts_at_the_same_moment(
    entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(celery_app)
    change("a-length-of-time", queue="long")

    def count_first(row: PeriodicTask, *args: Any) -> None:
        change("a-length-of-time", last_run_at=PAST, total_run_count=8)
        overwrite(row, *args)

    overwrite = edit.overwrite
    monkeypatch.setattr(edit, "overwrite", count_first)
    apply(celery_app, ["a-length-of-time"])

    assert (row("a-length-of-time").last_run_at, row("a-length-of-time").total_run_count) == (PAST, 8)
    assert row("a-length-of-time").queue is None


def test_apply_does_not_wake_what_has_run_its_one_time(entries: Entries) -> None:
    entries["a-moment"]["schedule"] = clocked(PAST)
    seed(celery_app)
    change("a-moment", enabled=False, queue="long")

    apply(celery_app, ["a-moment"])

    assert (row("a-moment").enabled, row("a-moment").queue) == (False, None)


def test_what_apply_switches_off_forgets_its_last_run(entries: Entries) -> None:
    """As in the admin: switched on again it would otherwise run at once, to make up for what it missed."""
    seed(celery_app)
    change("a-time-of-day", last_run_at=PAST)
    entries["a-time-of-day"]["enabled"] = False

    apply(celery_app, ["a-time-of-day"])

    assert (row("a-time-of-day").enabled, row("a-time-of-day").last_run_at) == (False, None)


def test_beat_notices_what_is_applied_and_pruned(entries: Entries) -> None:
    seed(celery_app)
    change("a-length-of-time", task="z")
    seeded = last_change()

    apply(celery_app, ["a-length-of-time"])
    applied = last_change()
    del entries["a-moment"]
    prune(celery_app)

    assert seeded < applied < last_change()


def test_apply_writes_nothing_where_nothing_differs(entries: Entries) -> None:
    seed(celery_app)
    before = last_change()

    assert apply(celery_app, list(entries)) == []
    assert last_change() == before


def test_apply_seeds_an_entry_that_is_not_there(entries: Entries) -> None:
    assert apply(celery_app, ["a-moment"]) == ["a-moment"]
    assert row("a-moment").one_off


def test_apply_of_an_unknown_key_suggests_another_and_changes_nothing(entries: Entries) -> None:
    with pytest.raises(UnknownEntryError, match="Did you mean a-moment"):
        apply(celery_app, ["a-time-of-day", "a-momnet"])

    assert not PeriodicTask.objects.exists()


def test_apply_of_a_refused_entry_changes_nothing(entries: Entries) -> None:
    entries["a-moment"]["one_off"] = False

    with pytest.raises(RefusedEntryError, match="'one_off'"):
        apply(celery_app, ["a-time-of-day", "a-moment"])

    assert not PeriodicTask.objects.exists()


def test_a_key_that_has_gone_from_the_settings_is_an_orphan(entries: Entries) -> None:
    PeriodicTask.objects.create(name="a-person-s", task="a", interval=hour())
    seed(celery_app)
    del entries["a-moment"]

    assert orphans(celery_app) == ["a-moment"]
    assert row("a-moment").enabled


def test_what_beat_itself_adds_is_not_an_orphan(entries: Entries) -> None:
    seed(celery_app, {"celery.backend_cleanup": {"task": "celery.backend_cleanup", "schedule": crontab("0", "4")}})

    assert orphans(celery_app) == []


def test_prune_deletes_the_orphans_alone(entries: Entries) -> None:
    PeriodicTask.objects.create(name="a-person-s", task="a", interval=hour())
    seed(celery_app)
    del entries["a-moment"]

    assert prune(celery_app) == ["a-moment"]
    assert set(PeriodicTask.objects.values_list("name", flat=True)) == {*entries, "a-person-s"}
    assert set(SeededEntry.objects.values_list("key", flat=True)) == set(entries)


@pytest.mark.parametrize(
    ("key", "origin"),
    [
        ("a-moment", "settings"),
        ("gone", "orphaned"),
        ("celery.backend_cleanup", "celery"),
        ("a-person-s", "database"),
    ],
)
def test_where_an_entry_comes_from(entries: Entries, key: str, origin: str) -> None:
    assert origin_of(key, entries, {"a-moment", "gone", "celery.backend_cleanup"}) == origin
