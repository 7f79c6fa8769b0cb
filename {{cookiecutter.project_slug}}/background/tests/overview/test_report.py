"""A worker and a beat report what they do, and an error there never reaches them."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import current_app
from django.db import DatabaseError
from django.db.models import QuerySet

from background.beat.scheduler import Scheduler
from background.beat.timeline import Timeline
from background.models import OutboxMessage, QueueLength, RunningProcess
from background.overview import beat, report
from background.overview.beat import BeatReporter
from background.overview.queues import Length, enqueued_at
from background.overview.report import Reporter, memory
from background.probe import heartbeat
from background.tests import tasks

WaitUntil = Callable[[Callable[[], object]], None]


@pytest.fixture
def reporter(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reporter]:
    """One that reports often."""
    monkeypatch.setattr(report, "INTERVAL", 0.01)
    heartbeat.turn()
    reporter = Reporter("worker", "celery@one", lambda: {"moment": time.monotonic()})
    yield reporter
    reporter.stop()


def rows() -> QuerySet[RunningProcess]:
    """Not those of other processes, such as the tests' worker."""
    return RunningProcess.objects.filter(name="celery@one")


def reported() -> float:
    row = rows().first()
    return row.report["moment"] if row else 0.0


def test_a_process_is_reported_while_it_runs(reporter: Reporter, wait_until: WaitUntil) -> None:
    reporter.start()
    wait_until(reported)
    first = reported()
    wait_until(lambda: reported() > first)
    reporter.stop()

    assert not rows().exists()


def test_a_row_that_is_deleted_is_written_again(reporter: Reporter, wait_until: WaitUntil) -> None:
    reporter.start()
    wait_until(reported)
    rows().delete()

    wait_until(reported)


def test_a_process_that_hangs_is_not_reported(
    reporter: Reporter, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def silence() -> float:
        asked.set()
        return report.HANGS

    monkeypatch.setattr(heartbeat, "silence", silence)
    reporter.start()
    wait_until(asked.is_set)

    assert not rows().exists()


def test_an_error_is_logged_once_and_then_it_goes_on(
    reporter: Reporter, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write, errors = reporter.write, iter([DatabaseError("it is down")] * 3)

    def fail_three_times() -> None:
        for error in errors:
            raise error
        write()

    monkeypatch.setattr(reporter, "write", fail_three_times)
    reporter.start()
    wait_until(reported)

    assert caplog.text.count("This process could not be reported: DatabaseError: it is down") == 1


@pytest.mark.usefixtures("worker")
def test_a_worker_reports_its_queues_and_tasks(wait_until: WaitUntil) -> None:
    result = tasks.alone.delay(3)

    def report_of_it() -> dict[str, Any]:
        rows = RunningProcess.objects.filter(kind="worker")
        return next((row.report for row in rows if any(task["id"] == result.id for task in row.report["running"])), {})

    wait_until(report_of_it)
    said = report_of_it()

    assert said["queues"] == ["default", "long"]
    assert (said["state"], said["processes"], said["taken"]) == ("ready", 1, {"default": 1})
    (task,) = said["running"]
    assert (task["task"], task["arguments"]) == ("tests.alone", "(3,) {}")
    assert abs(time.time() - task["since"]) < 60
    assert said["memory"] > 2**24


def test_memory_of_a_process_that_has_ended_is_none() -> None:
    assert memory([2**22 + 1]) == 0


@pytest.mark.django_db
def test_the_leader_reports_what_comes_next(
    entries: Any, start: Callable[[], Scheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(current_app.conf, "task_always_eager", False)
    monkeypatch.setattr("background.overview.queues.lengths", lambda app: [Length("default", 7, None)])
    scheduler = start()
    assert scheduler.schedule
    scheduler.populate_heap()
    said = BeatReporter(scheduler).of_beat()

    moments = {entry["name"]: entry["at"] for entry in said["next"]}
    assert 0 < moments["a-length-of-time"] - time.time() <= 600
    assert list(moments.values()) == sorted(moments.values())
    assert said["late"] == 0
    assert QueueLength.objects.get().waiting == 7


@pytest.mark.django_db
def test_who_stands_by_reports_only_that(entries: Any, start: Callable[[], Scheduler]) -> None:
    start()

    assert BeatReporter(start()).of_beat().keys() == {"state"}


@pytest.mark.django_db
def test_late_entries_are_counted(
    entries: Any, start: Callable[[], Scheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = start()
    assert scheduler.schedule
    scheduler.populate_heap()
    monkeypatch.setattr(beat, "LATE", -601.0)

    assert BeatReporter(scheduler).of_beat()["late"] >= 1


class Named:
    def __init__(self, name: str) -> None:
        self.name = name


def test_the_timeline_is_read_in_order_and_without_what_was_left_behind() -> None:
    schedule = {str(moment): Named(str(moment)) for moment in (5, 3, 9, 1, 7, 3.5, 8)}
    timeline = Timeline()
    timeline.fill((float(name), entry) for name, entry in schedule.items())
    timeline.add(0.0, Named("1"))

    assert [event.time for event in timeline.in_order(schedule)] == [1, 3, 3.5, 5, 7, 8, 9]
    assert not list(Timeline().in_order(schedule))


@pytest.mark.django_db(transaction=True)
def test_a_message_says_when_it_was_enqueued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(current_app.conf, "task_always_eager", False)
    tasks.note.apply_async_in_transaction(["a"], headers={"tenant": "b"})

    headers = json.loads(OutboxMessage.objects.get().message)["headers"]
    assert headers["tenant"] == "b"
    assert abs(headers["enqueued_at"] - time.time()) < 60


@pytest.mark.parametrize(
    "message", [None, b"", b"no JSON", b"[]", b'{"headers": {"enqueued_at": "x"}}', b'{"headers": {}}']
)
def test_a_message_that_does_not_say_so_has_no_age(message: bytes | None) -> None:
    assert enqueued_at(message) is None


def test_the_age_is_that_of_the_header() -> None:
    moment = enqueued_at(b'{"headers": {"enqueued_at": 1790000000.5}}')

    assert moment
    assert moment.timestamp() == 1790000000.5
