"""A person sends the task of an entry."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from celery import current_app
from celery.beat import Scheduler
from django_celery_beat.models import (
    PeriodicTask,
)
from django_celery_beat.schedulers import ModelEntry

from background.schedule.rows import RefusedEntryError, UnknownEntryError
from background.schedule.run import run
from background.schedule.seed import seed
from background.tests.schedule.rows import FUTURE, PAST, change, row
from config import celery_app

pytestmark = pytest.mark.django_db

Entries = dict[str, dict[str, Any]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What is sent for the task "tests.sent", which is registered for the test."""
    found: list[tuple[Any, ...]] = []

    class Sent(current_app.Task):
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

    run(celery_app, "a")
    Scheduler(celery_app, lazy=True).apply_async(ModelEntry(row("a"), app=celery_app), advance=False)

    ours, theirs = sent
    assert theirs[2].pop("producer") is None
    assert ours == theirs
    assert ours[2]["headers"] == {"a": 1, "periodic_task_name": "a", "celery_beat_task": True}


def test_run_leaves_the_last_run_and_the_count(entries: Entries, sent: list[tuple[Any, ...]]) -> None:
    entries["a-length-of-time"]["task"] = "tests.sent"
    seed(celery_app)
    before = PeriodicTask.objects.values().get(name="a-length-of-time")

    run(celery_app, "a-length-of-time")

    assert len(sent) == 1
    assert PeriodicTask.objects.values().get(name="a-length-of-time") == before


@pytest.mark.parametrize(("expires", "expected"), [(FUTURE, FUTURE), (PAST, None)])
def test_what_has_expired_can_still_be_run_by_a_person(
    entries: Entries, sent: list[tuple[Any, ...]], expires: datetime, expected: datetime | None
) -> None:
    entries["a-moment"].update(task="tests.sent", expires=expires)
    seed(celery_app)

    run(celery_app, "a-moment")

    assert sent[0][2].get("expires") == expected


def test_run_of_an_unknown_key_suggests_another(entries: Entries) -> None:
    seed(celery_app)

    with pytest.raises(UnknownEntryError, match="Did you mean a-moment"):
        run(celery_app, "a-momnet")


def test_run_of_a_row_that_is_not_json_is_refused_and_leaves_the_row(entries: Entries) -> None:
    seed(celery_app)
    change("a-moment", args="not JSON")

    with pytest.raises(RefusedEntryError, match="not JSON"):
        run(celery_app, "a-moment")
    assert row("a-moment").enabled


def test_in_eager_mode_nobody_knows_a_task_that_is_not_registered(entries: Entries) -> None:
    seed(celery_app)

    with pytest.raises(UnknownEntryError, match="not registered"):
        run(celery_app, "a-moment")


def test_a_worker_may_know_a_task_that_is_not_registered_here(
    entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(celery_app)
    found: list[str] = []
    send: Callable[..., None] = lambda name, *args, **options: found.append(name)  # noqa: E731
    monkeypatch.setitem(celery_app.conf, "task_always_eager", False)
    monkeypatch.setattr(celery_app, "send_task", send)

    run(celery_app, "a-moment")

    assert found == ["d"]
