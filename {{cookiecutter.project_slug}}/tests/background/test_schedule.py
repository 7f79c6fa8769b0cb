"""The settings seed the schedule; the database keeps it, and says where the two differ."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery.beat import Scheduler
from celery.schedules import crontab, solar
from django_celery_beat.clockedschedule import clocked
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    PeriodicTasks,
    SolarSchedule,
)
from django_celery_beat.schedulers import ModelEntry
from django_celery_beat.tzcrontab import TzAwareCrontab
from pytest_django import DjangoAssertNumQueries

from background import schedule
from background.models import SeededEntry
from background.schedule import Difference, RefusedEntryError, UnknownEntryError, apply, drift, orphans, prune, seed
from config import celery_app

pytestmark = pytest.mark.django_db

Entries = dict[str, dict[str, Any]]

SCHEDULES = (IntervalSchedule, CrontabSchedule, SolarSchedule, ClockedSchedule)
PAST = datetime(2020, 1, 1, tzinfo=UTC)
FUTURE = datetime(2040, 1, 1, tzinfo=UTC)


def row(key: str) -> PeriodicTask:
    return PeriodicTask.objects.get(name=key)


def change(key: str, **fields: Any) -> None:
    """Change the row as a person does, of whom django-celery-beat hears nothing."""
    assert PeriodicTask.objects.filter(name=key).update(**fields) == 1


def hour() -> IntervalSchedule:
    return IntervalSchedule.objects.create(every=1, period="hours")


def last_change() -> Any:
    """The moment by which beat notices that the schedule has changed."""
    return PeriodicTasks.last_change()


def fields(key: str) -> set[str]:
    return {difference.field for difference in drift(celery_app).get(key, [])}


# Seeding


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

    assert [name for name in schedule.KINDS if getattr(row(key), name) is not None] == [kind]


def test_an_entry_with_faults_is_refused_and_the_others_go_on(entries: Entries) -> None:
    entries["a-faulty-one"] = {"task": "a", "schedule": 0.5, "options": {"countdown": 3}}

    written, refused = seed(celery_app)

    assert "a-faulty-one" not in written
    assert len(written) == 4
    assert len(refused["a-faulty-one"]) == 2
    assert not PeriodicTask.objects.filter(name="a-faulty-one").exists()


def test_what_only_the_library_refuses_is_refused_too(entries: Entries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "faults", lambda key, entry: [])
    entries["a-faulty-one"] = {"task": "a", "schedule": "0 4 * * *"}

    written, refused = seed(celery_app)

    assert len(written) == 4
    assert "a-faulty-one" in refused


@pytest.mark.parametrize("checks", [True, False], ids=["seen by the library", "seen by the database"])
def test_an_entry_that_another_process_writes_at_the_same_moment_is_there(
    entries: Entries, monkeypatch: pytest.MonkeyPatch, checks: bool
) -> None:
    seed(celery_app)
    monkeypatch.setattr(schedule, "present_of", lambda keys: set())
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


# Drift


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


# Applying the settings


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

    overwrite = schedule.overwrite
    monkeypatch.setattr(schedule, "overwrite", count_first)
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


# Orphans


def test_a_key_that_has_gone_from_the_settings_is_an_orphan(entries: Entries) -> None:
    PeriodicTask.objects.create(name="a-person-s", task="a", interval=hour())
    seed(celery_app)
    del entries["a-moment"]

    assert orphans(celery_app) == ["a-moment"]
    assert row("a-moment").enabled


def test_what_beat_adds_of_its_own_accord_is_no_orphan(entries: Entries) -> None:
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
    assert schedule.origin(celery_app, key, {"a-moment", "gone", "celery.backend_cleanup"}) == origin


# Running one now


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What is sent for the task "tests.sent", which is registered for the test."""
    found: list[tuple[Any, ...]] = []

    class Sent(celery_app.Task):
        name = "tests.sent"

        def apply_async(self, args: Any, kwargs: Any, **options: Any) -> None:
            found.append((args, kwargs, options))

    monkeypatch.setitem(celery_app.tasks, Sent.name, Sent())
    return found


def test_run_sends_what_beat_sends(entries: Entries, sent: list[tuple[Any, ...]]) -> None:
    entries["a"] = {
        "task": "tests.sent",
        "schedule": 60,
        "args": [1],
        "kwargs": {"b": 2},
        "options": {"queue": "long", "priority": 0, "headers": {"a": 1}, "expire_seconds": 60},
    }
    seed(celery_app)

    schedule.run(celery_app, "a")
    Scheduler(celery_app, lazy=True).apply_async(ModelEntry(row("a"), app=celery_app), advance=False)

    ours, theirs = sent
    assert theirs[2].pop("producer") is None
    assert ours == theirs
    assert ours[2]["headers"] == {"a": 1, "periodic_task_name": "a", "celery_beat_task": True}


def test_run_leaves_the_last_run_and_the_count(entries: Entries, sent: list[tuple[Any, ...]]) -> None:
    entries["a-length-of-time"]["task"] = "tests.sent"
    seed(celery_app)
    before = PeriodicTask.objects.values().get(name="a-length-of-time")

    schedule.run(celery_app, "a-length-of-time")

    assert len(sent) == 1
    assert PeriodicTask.objects.values().get(name="a-length-of-time") == before


@pytest.mark.parametrize(("expires", "expected"), [(FUTURE, FUTURE), (PAST, None)])
def test_what_has_expired_can_still_be_run_by_a_person(
    entries: Entries, sent: list[tuple[Any, ...]], expires: datetime, expected: datetime | None
) -> None:
    entries["a-moment"].update(task="tests.sent", expires=expires)
    seed(celery_app)

    schedule.run(celery_app, "a-moment")

    assert sent[0][2].get("expires") == expected


def test_run_of_an_unknown_key_suggests_another(entries: Entries) -> None:
    seed(celery_app)

    with pytest.raises(UnknownEntryError, match="Did you mean a-moment"):
        schedule.run(celery_app, "a-momnet")


def test_run_of_a_row_that_is_not_json_is_refused_and_leaves_the_row(entries: Entries) -> None:
    seed(celery_app)
    change("a-moment", args="not JSON")

    with pytest.raises(RefusedEntryError, match="not JSON"):
        schedule.run(celery_app, "a-moment")
    assert row("a-moment").enabled


def test_in_eager_mode_nobody_knows_a_task_that_is_not_registered(entries: Entries) -> None:
    seed(celery_app)

    with pytest.raises(UnknownEntryError, match="not registered"):
        schedule.run(celery_app, "a-moment")


def test_a_worker_may_know_a_task_that_is_not_registered_here(
    entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(celery_app)
    found: list[str] = []
    send: Callable[..., None] = lambda name, *args, **options: found.append(name)  # noqa: E731
    monkeypatch.setitem(celery_app.conf, "task_always_eager", False)
    monkeypatch.setattr(celery_app, "send_task", send)

    schedule.run(celery_app, "a-moment")

    assert found == ["d"]
