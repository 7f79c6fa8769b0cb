"""Of a task that says so, one run at a time."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from celery.states import RETRY, SUCCESS
from django.db.models.functions import Now

from background.beat.lease import LIFETIME, RENEWAL, SCHEDULE
from background.models import FailedTask, Lease
from background.one_at_a_time import SKIPPED, WAITS, name_of
from background.tasks import delete_old_records
from background.tests import tasks

Run = Callable[..., Any]
WaitUntil = Callable[[Callable[[], object]], None]

pytestmark = pytest.mark.django_db(transaction=True)


def hold(task: Any, *args: Any, holder: str = "another:1", seconds: float = LIFETIME) -> None:
    """As if a run held the lease."""
    expires = Now() + timedelta(seconds=seconds)
    Lease.objects.create(name=name_of(task, args, {}), holder=holder, since=Now(), ticked=Now(), expires=expires)


@pytest.mark.usefixtures("both_modes")
def test_a_run_that_is_alone_runs_and_gives_its_lease_back(run: Run, wait_until: WaitUntil) -> None:
    assert run(tasks.alone) == run(tasks.alone) == "has run"

    wait_until(lambda: not Lease.objects.exists())


@pytest.mark.usefixtures("both_modes")
def test_a_second_run_is_skipped_and_says_so(wait_until: WaitUntil) -> None:
    hold(tasks.alone)
    result = tasks.alone.delay()

    wait_until(lambda: tasks.alone.AsyncResult(result.id).state == SKIPPED)

    assert tasks.alone.AsyncResult(result.id).info == {"holder": "another"}


@pytest.mark.usefixtures("both_modes")
def test_one_for_each_value_of_an_argument(run: Run, wait_until: WaitUntil) -> None:
    hold(tasks.alone_for_each, 1)
    skipped = tasks.alone_for_each.delay(1, seconds=0)

    assert run(tasks.alone_for_each, 2) == "has run"
    wait_until(lambda: tasks.alone.AsyncResult(skipped.id).state == SKIPPED)


def test_arguments_by_name_and_by_place_are_the_same() -> None:
    assert name_of(tasks.alone_for_each, (1,), {}) == name_of(tasks.alone_for_each, (), {"user_pk": 1, "seconds": 2})
    assert name_of(tasks.alone_for_each, (1,), {}) != name_of(tasks.alone_for_each, ("1",), {})


@pytest.mark.usefixtures("both_modes")
def test_a_lease_that_has_run_out_is_taken(run: Run) -> None:
    hold(tasks.alone, seconds=-1)

    assert run(tasks.alone) == "has run"


def test_the_leases_of_killed_runs_are_deleted_after_a_day() -> None:
    """But not beat's, nor one that is held."""
    day = 24 * 3600
    for number, seconds in enumerate((-day - 60, -day + 60, LIFETIME)):
        hold(tasks.alone_for_each, number, seconds=seconds)
    Lease.objects.create(name=SCHEDULE, holder="", since=Now(), ticked=Now(), expires=Now() - timedelta(days=9))

    assert delete_old_records()["leases"] == 1
    assert Lease.objects.count() == 3


@pytest.mark.usefixtures("both_modes")
def test_a_retry_runs_under_the_lease_of_its_first_attempt(run: Run, wait_until: WaitUntil) -> None:
    assert run(tasks.alone_with_a_retry, 0) == 1

    wait_until(lambda: not Lease.objects.exists())


@pytest.mark.usefixtures("worker")
def test_who_waits_for_its_retry_keeps_others_out(run: Run, wait_until: WaitUntil) -> None:
    first = tasks.alone_with_a_retry.delay(2)
    wait_until(lambda: Lease.objects.filter(holder=f"{first.id}:{WAITS}").exists())
    second = tasks.alone_with_a_retry.delay(2)
    wait_until(lambda: tasks.alone.AsyncResult(second.id).state == SKIPPED)

    assert tasks.alone.AsyncResult(first.id).state == RETRY
    wait_until(lambda: tasks.alone.AsyncResult(first.id).state == SUCCESS)


@pytest.mark.usefixtures("both_modes")
def test_a_failure_gives_the_lease_back(wait_until: WaitUntil) -> None:
    with suppress(LookupError):
        tasks.alone_and_fails.delay()
    wait_until(FailedTask.objects.exists)

    wait_until(lambda: not Lease.objects.exists())


@pytest.mark.usefixtures("worker")
def test_a_message_that_came_twice_waits_for_its_own_lease_to_run_out(wait_until: WaitUntil) -> None:
    hold(tasks.alone, holder="one:of-a-process-that-was-killed", seconds=2)
    tasks.alone.apply_async(task_id="one")

    wait_until(lambda: tasks.alone.AsyncResult("one").state == SUCCESS)


@pytest.mark.usefixtures("worker")
def test_a_run_renews_its_lease(wait_until: WaitUntil) -> None:
    first = tasks.alone.delay(RENEWAL + 2)
    wait_until(Lease.objects.exists)
    row = Lease.objects.get()
    wait_until(lambda: Lease.objects.filter(ticked__gt=row.ticked, expires__gt=row.expires).exists())
    wait_until(lambda: tasks.alone.AsyncResult(first.id).state == SUCCESS)

    assert row.holder.startswith(first.id)
