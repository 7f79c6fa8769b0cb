"""The rules for every task of the project: an eager run is like a worker's, and enqueueing never hangs."""

import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery import Task, shared_task
from celery.exceptions import QueueNotFound, TaskRevokedError
from celery.states import REVOKED
from django.db import IntegrityError
from django.utils import timezone
from kombu.exceptions import EncodeError

from background.models import Lease
from background.task import BrokerUnavailableError

Run = Callable[..., Any]


@shared_task(name="tests.give_back", ignore_result=False)
def give_back(value: Any) -> Any:
    return value


@shared_task(name="tests.give_back_a_tuple", ignore_result=False)
def give_back_a_tuple() -> tuple[int, int]:
    return 1, 2


@shared_task(name="tests.give_back_a_set", ignore_result=False)
def give_back_a_set() -> set[int]:
    return {1}


@shared_task(name="tests.fail_with_a_refused_connection")
def fail_with_a_refused_connection() -> None:
    raise ConnectionRefusedError("of another service")


@pytest.mark.django_db(transaction=True)
def test_a_result_is_what_json_gives_back(run: Run) -> None:
    assert run(give_back_a_tuple) == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_a_result_that_is_not_json_is_a_failure(run: Run) -> None:
    with pytest.raises(EncodeError):
        run(give_back_a_set)


def test_a_task_on_a_queue_that_nobody_serves_is_refused() -> None:
    with pytest.raises(QueueNotFound):
        give_back.apply_async([1], queue="misspelt")


@pytest.mark.parametrize(
    "options",
    [
        {"expires": -1},
        {"expires": timezone.now() - timedelta(seconds=1)},
        {"expires": 5, "countdown": 10},
        {"expires": 5, "eta": timezone.now() + timedelta(hours=1)},
        {"expires": "2001-01-01T00:00:00Z"},
        {"expires": "2030-01-01T00:00:00", "eta": "2030-01-01T00:00:01+00:00"},
    ],
)
@pytest.mark.django_db
def test_an_expired_task_is_revoked_and_not_run(options: dict[str, Any], enqueued: list[str]) -> None:
    task_id = str(uuid.uuid4())

    result = give_back.apply_async([1], task_id=task_id, **options)

    assert (result.state, give_back.AsyncResult(task_id).state) == (REVOKED, REVOKED)
    with pytest.raises(TaskRevokedError):
        result.get()
    assert enqueued == []


@pytest.mark.parametrize(
    "options",
    [
        {"expires": 60},
        {"expires": timezone.now() + timedelta(days=1)},
        {"expires": "2099-01-01T00:00:00Z"},
        {"countdown": 5},
    ],
)
@pytest.mark.django_db
def test_a_task_that_has_not_expired_is_run(options: dict[str, Any]) -> None:
    assert give_back.apply_async([1], **options).get() == 1


def test_an_error_of_the_task_itself_is_not_taken_for_the_broker_s() -> None:
    with pytest.raises(ConnectionRefusedError):
        fail_with_a_refused_connection.delay()


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        ({"time_limit": 3}, (3, 2.7)),
        ({"time_limit": 290}, (290, 270)),
        ({"time_limit": 600}, (600, 270)),
        ({"soft_time_limit": 10}, (300, 10)),
        ({"time_limit": 20, "soft_time_limit": 10}, (20, 10)),
    ],
)
def test_a_limit_of_one_call_is_kept_to(given: dict[str, float], limits: tuple[float, float]) -> None:
    assert give_back.time_limits(**given) == limits


@pytest.mark.parametrize(
    "given",
    [{"time_limit": 10, "soft_time_limit": 10}, {"time_limit": 10, "soft_time_limit": 20}, {"soft_time_limit": 300}],
)
def test_limits_that_contradict_each_other_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be shorter than time_limit"):
        give_back.apply_async([1], **given)


def test_a_limit_beyond_the_visibility_timeout_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(give_back.app.conf.broker_transport_options, "visibility_timeout", 900)

    with pytest.raises(ValueError, match="visibility timeout"):
        give_back.apply_async([1], time_limit=900)


@shared_task(name="tests.break_the_transaction", ignore_result=False)
def break_the_transaction() -> None:
    Lease.objects.create(name="a", since=timezone.now(), ticked=timezone.now(), expires=timezone.now())
    Lease.objects.create(name="a", since=timezone.now(), ticked=timezone.now(), expires=timezone.now())


@pytest.mark.django_db
def test_an_error_that_breaks_the_caller_s_transaction_is_the_one_that_is_raised() -> None:
    """Its failure can't be stored there."""
    with pytest.raises(IntegrityError):
        break_the_transaction.delay()


ENQUEUE = """
import django; django.setup()
from celery import shared_task
from background.task import BrokerUnavailableError
@shared_task(ignore_result=False)
def task():
    pass
try:
    task.delay()
except BrokerUnavailableError as error:
    print(error)
"""


def test_enqueueing_raises_one_exception_when_the_broker_is_away(away: dict[str, str]) -> None:
    """Whether it is Redis or RabbitMQ, refuses or is silent. It also ends: a hang is a failure of this test."""
    done = subprocess.run(
        [sys.executable, "-c", ENQUEUE], env=away, capture_output=True, text=True, timeout=60, check=True
    )

    assert ".task was not enqueued. The broker is unreachable or full: " in done.stdout


def test_the_exception_names_what_it_means() -> None:
    task: Task = give_back

    assert BrokerUnavailableError in task.unavailable_errors
