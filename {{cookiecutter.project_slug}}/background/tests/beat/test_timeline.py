"""What a beat with many entries does not repeat, and what it must still not forget."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.beat import SchedulingError
from celery.schedules import crontab
from django.db import DatabaseError
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask
from kombu.exceptions import OperationalError

from background.beat.scheduler import RETRY, Scheduler
from config import celery_app

pytestmark = pytest.mark.django_db

Start = Callable[[], Scheduler]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_entries(entries: dict[str, Any]) -> None:
    entries.clear()


@pytest.fixture
def scheduler(start: Start) -> Scheduler:
    """One that looks for changes at each tick."""
    scheduler = start()
    scheduler.look_every = 0
    return scheduler


def make(name: str, **fields: Any) -> PeriodicTask:
    """An entry of every hour, unless told otherwise."""
    hourly = {} if {"crontab", "clocked"} & fields.keys() else {"interval": every(hours=1)}
    row: PeriodicTask = PeriodicTask.objects.create(name=name, task="a", **hourly, **fields)
    return row


def every(**length: int) -> IntervalSchedule:
    ((period, number),) = length.items()
    return IntervalSchedule.objects.get_or_create(every=number, period=period)[0]


def make_overdue(name: str, **fields: Any) -> PeriodicTask:
    return make(name, last_run_at=LONG_AGO, **fields)


def send(scheduler: Scheduler, ticks: int = 10) -> list[str]:
    """The names of the entries that some ticks send."""
    sent: list[str] = []
    scheduler.apply_async = lambda entry, **options: sent.append(entry.name)
    for _ in range(ticks):
        scheduler.tick()
    return sent


# A tick


def test_what_is_due_is_sent_once_and_counted(scheduler: Scheduler) -> None:
    make_overdue("a")
    make("b")

    assert send(scheduler) == ["a"]
    scheduler.sync()
    row = PeriodicTask.objects.get(name="a")
    assert row.total_run_count == 1
    assert timezone.now() - row.last_run_at < timedelta(minutes=1)


def test_what_is_due_is_sent_although_many_others_are_not(scheduler: Scheduler) -> None:
    for number in range(50):
        make(f"later-{number}")
    for number in range(3):
        make_overdue(f"due-{number}")

    assert sorted(send(scheduler)) == ["due-0", "due-1", "due-2"]


def test_an_entry_stays_due_while_the_broker_is_away(scheduler: Scheduler, caplog: pytest.LogCaptureFixture) -> None:
    make_overdue("a")

    def refuse(*args: Any, **options: Any) -> None:
        try:
            raise OperationalError("refused")
        except OperationalError:
            raise SchedulingError("not sent")  # noqa: B904 - as Celery has it

    celery_app.conf.task_always_eager, before = False, celery_app.conf.task_always_eager
    scheduler.apply_async = refuse
    try:
        waits = [scheduler.tick() for _ in range(3)]
        state = scheduler.state
    finally:
        celery_app.conf.task_always_eager = before

    assert max(waits) <= RETRY
    assert state == "waiting for the broker"
    assert caplog.text.count("The broker is unreachable") == 1
    assert send(scheduler) == ["a"]
    assert scheduler.state == "ready, leads"


def test_an_entry_that_can_not_be_sent_does_not_stop_the_others(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    make_overdue("a", args='["too many"]')
    make_overdue("b")
    tried: list[str] = []

    def refuse(entry: Any, **options: Any) -> None:
        tried.append(entry.name)
        raise SchedulingError("it does not fit")

    scheduler.apply_async = refuse
    for _ in range(10):
        scheduler.tick()

    assert sorted(tried) == ["a", "b"]
    assert caplog.text.count("could not be sent: it does not fit") == 2


def test_a_tick_costs_no_query_between_two_looks(scheduler: Scheduler, django_assert_num_queries: Any) -> None:
    make("a")
    scheduler.tick()
    scheduler.look_every = 1000

    with django_assert_num_queries(0):
        scheduler.tick()


# Changes


def test_only_the_entry_that_was_edited_is_made_anew(scheduler: Scheduler) -> None:
    row = make("a")
    make("b")
    before = dict(scheduler.schedule)

    row.args = "[1]"
    row.save()

    assert scheduler.schedule["a"].args == [1]
    assert scheduler.schedule["b"] is before["b"]


def test_the_number_of_queries_does_not_grow_with_the_entries(
    scheduler: Scheduler, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        row = make(f"entry-{number}")
    with django_assert_max_num_queries(15):
        assert len(scheduler.schedule) == 20 + 1

    row.save()

    with django_assert_max_num_queries(15):
        scheduler.tick()


def test_rows_with_one_schedule_share_one_object_which_an_edit_replaces(scheduler: Scheduler) -> None:
    shared = CrontabSchedule.objects.create(minute="1")
    make("a", crontab=shared)
    make("b", crontab=shared)
    before = scheduler.schedule["a"].schedule

    assert scheduler.schedule["b"].schedule is before

    shared.minute = "2"
    shared.save()

    assert scheduler.schedule["a"].schedule is scheduler.schedule["b"].schedule
    assert scheduler.schedule["a"].schedule.minute == {2}


@pytest.mark.parametrize("end", ["off", "deleted"])
def test_an_entry_that_was_switched_off_or_deleted_is_not_sent(scheduler: Scheduler, end: str) -> None:
    row = make_overdue("a")
    make("b")
    scheduler.populate_heap()

    if end == "off":
        row.enabled = False
        row.save()
    else:
        row.delete()

    assert send(scheduler) == []


def test_a_change_by_a_host_whose_clock_is_slow_is_seen(scheduler: Scheduler) -> None:
    make("a")
    scheduler.tick()
    PeriodicTask.objects.filter(name="a").update(args="[1]")
    scheduler.Changes.objects.update(last_update=LONG_AGO)

    assert scheduler.schedule["a"].args == [1]


def test_the_heap_does_not_grow_with_the_number_of_edits(scheduler: Scheduler) -> None:
    row = make("a")
    scheduler.tick()

    for number in range(250):
        row.args = f"[{number}]"
        row.save()
        scheduler.tick()

    assert scheduler.timeline.is_filled
    assert len(scheduler.timeline) <= 2 * len(scheduler.schedule) + 100


@pytest.mark.parametrize("broken", [{"crontab": "minute"}, {"headers": "{"}])
def test_a_row_that_can_not_be_read_is_an_error_once_and_the_others_run(
    scheduler: Scheduler, broken: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    make_overdue("a")
    if "crontab" in broken:
        make("b", crontab=CrontabSchedule.objects.create(minute="sometimes"))
    else:
        make("b", **broken)

    assert send(scheduler) == ["a"]
    make("c")
    scheduler.tick()
    assert caplog.text.count("The entry b can't be read") == 1


def test_a_daily_entry_whose_hour_was_missed_long_ago_is_sent(scheduler: Scheduler) -> None:
    """django-celery-beat leaves out what is not within two hours of its hour."""
    hour = (timezone.now().hour + 12) % 24
    daily = CrontabSchedule.from_schedule(crontab(minute=0, hour=hour))
    daily.save()
    make("a", crontab=daily, last_run_at=timezone.now() - timedelta(days=1, hours=6))

    assert send(scheduler) == ["a"]


# Recording


def test_runs_are_recorded_in_as_many_queries_however_many_they_are(
    scheduler: Scheduler, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        make_overdue(f"entry-{number}")
    scheduler.sync_every = 1000
    send(scheduler, ticks=40)

    with django_assert_max_num_queries(10):
        scheduler.sync()

    assert set(PeriodicTask.objects.filter(task="a").values_list("total_run_count", flat=True)) == {1}


def test_a_record_that_fails_is_kept(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    make_overdue("a")
    scheduler.sync_every = 1000
    send(scheduler)

    def fail(*args: object) -> None:
        raise DatabaseError("it is away")

    with monkeypatch.context() as patch:
        patch.setattr(Scheduler, "record", fail)
        scheduler.sync()
        assert scheduler._dirty == {"a"}
    scheduler.sync()

    assert PeriodicTask.objects.get(name="a").total_run_count == 1


def test_a_record_changes_nothing_that_people_write(scheduler: Scheduler) -> None:
    make_overdue("a")
    scheduler.look_every = 1000
    scheduler.sync_every = 1000
    send(scheduler)
    PeriodicTask.objects.update(args="[1]", queue="long")

    scheduler.sync()

    row = PeriodicTask.objects.get(name="a")
    assert (row.args, row.queue, row.total_run_count) == ("[1]", "long", 1)


def test_a_row_that_was_switched_off_meanwhile_keeps_no_run(scheduler: Scheduler) -> None:
    row = make_overdue("a")
    scheduler.look_every = scheduler.sync_every = 1000
    send(scheduler)
    row.enabled = False
    row.save()

    scheduler.sync()

    row.refresh_from_db()
    assert (row.enabled, row.last_run_at) == (False, None)


def test_an_entry_that_is_to_run_once_runs_once_and_is_switched_off(scheduler: Scheduler) -> None:
    moment = ClockedSchedule.objects.create(clocked_time=timezone.now() - timedelta(seconds=1))
    make("a", clocked=moment, one_off=True)
    scheduler.sync_every = 1000

    sent = send(scheduler)
    scheduler.sync()

    assert sent == ["a"]
    assert "a" not in scheduler._schedule
    assert send(scheduler) == []
    assert not PeriodicTask.objects.get(name="a").enabled


def test_an_entry_that_has_expired_is_switched_off_and_keeps_what_people_have_edited(scheduler: Scheduler) -> None:
    make_overdue("a", expires=timezone.now() + timedelta(seconds=0.2))
    scheduler.schedule  # noqa: B018 - it is read
    scheduler.look_every = 1000
    PeriodicTask.objects.update(description="A person's.")
    scheduler._schedule["a"].model.expires = timezone.now()

    sent = send(scheduler)

    row = PeriodicTask.objects.get(name="a")
    assert (sent, row.enabled, row.description) == ([], False, "A person's.")
