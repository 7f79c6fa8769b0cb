"""A task that gives up leaves what a person needs to understand it, and to run it again."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest
from celery import Task, current_app
from django.conf import LazySettings
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from background.failures.again import NotRunAgainError, run_again
from background.models import FailedTask, Lease
from background.task import BrokerUnavailableError
from background.tasks import delete_old_records
from background.tests import tasks

WaitUntil = Callable[[Callable[[], object]], None]
LIST = "/admin/background/failedtask/"


@pytest.fixture
def fail(wait_until: WaitUntil) -> Callable[..., FailedTask]:
    """Enqueue a task, and return the record of its failure. Eagerly the failure is raised too."""

    def enqueue(task: Task, *args: Any, **kwargs: Any) -> FailedTask:
        known = set(FailedTask.objects.values_list("pk", flat=True))
        try:
            task.delay(*args, **kwargs)
        except LookupError:
            assert current_app.conf.task_always_eager
        wait_until(FailedTask.objects.exclude(pk__in=known).exists)
        return FailedTask.objects.exclude(pk__in=known).get()

    return enqueue


Fail = Callable[..., FailedTask]


@pytest.mark.usefixtures("both_modes")
def test_a_task_that_gives_up_leaves_a_record(fail: Fail) -> None:
    row = fail(tasks.give_up, 1, price=Decimal("2.50"))

    assert (row.task, row.exception, row.reason, row.attempts) == ("tests.give_up", "LookupError", "on purpose", 1)
    assert row.arguments == '[[1], {"price": {"__type__": "decimal", "__value__": "2.50"}}]'
    assert 'raise LookupError("on purpose")' in row.traceback
    assert abs(timezone.now() - row.failed_at) < timedelta(minutes=1)


@pytest.mark.usefixtures("both_modes")
def test_the_record_says_how_often_it_was_tried(fail: Fail) -> None:
    assert fail(tasks.give_up_at_last).attempts == 2


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("task", "exception"), [(tasks.take_too_long, "TimeLimitExceeded"), (tasks.lose_its_process, "WorkerLostError")]
)
def test_a_task_that_could_not_say_why_leaves_one_too(task: Task, exception: str, fail: Fail) -> None:
    row = fail(task)

    assert (row.task, row.exception, row.attempts) == (task.name, exception, 1)
    assert row.worker
    assert row.arguments == "[[], {}]"


@pytest.mark.usefixtures("both_modes")
def test_a_task_that_succeeds_leaves_nothing(wait_until: WaitUntil) -> None:
    tasks.note.delay("done")
    wait_until(Lease.objects.exists)

    assert not FailedTask.objects.exists()


@pytest.mark.django_db
def test_a_record_that_can_t_be_written_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("it is down")

    monkeypatch.setattr(FailedTask.objects, "update_or_create", fail)
    with pytest.raises(LookupError):
        tasks.give_up.delay()

    assert "could not be recorded: it is down" in caplog.text


@pytest.mark.usefixtures("both_modes")
def test_a_task_is_run_again_with_its_arguments(fail: Fail, wait_until: WaitUntil) -> None:
    row = fail(tasks.give_up, 1, price=Decimal("2.50"))
    tasks.note("mended")

    new_id = run_again(row)

    wait_until(lambda: Lease.objects.filter(name="has run").exists())
    row.refresh_from_db()
    assert row.run_again_as == new_id
    assert FailedTask.objects.count() == 1


@pytest.mark.usefixtures("both_modes")
def test_one_that_fails_again_names_the_first(fail: Fail, wait_until: WaitUntil) -> None:
    row = fail(tasks.give_up, 1, price=Decimal("2.50"))
    try:
        run_again(row)
    except LookupError:
        assert current_app.conf.task_always_eager
    wait_until(lambda: FailedTask.objects.count() == 2)

    row.refresh_from_db()
    again = FailedTask.objects.exclude(pk=row.pk).get()
    assert (again.task_id, again.again_of) == (row.run_again_as, row.task_id)
    assert again.arguments == row.arguments


@pytest.mark.django_db
def test_a_task_is_run_again_once(fail: Fail) -> None:
    row = fail(tasks.give_up)
    tasks.note("mended")
    run_again(row)

    with pytest.raises(NotRunAgainError, match="already"):
        run_again(row)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "reason"), [({"task": "gone"}, "no longer exists"), ({"arguments": ""}, "were not JSON")]
)
def test_what_can_t_be_run_again_says_why(fields: dict[str, str], reason: str, fail: Fail) -> None:
    row = fail(tasks.give_up)
    for name, value in fields.items():
        setattr(row, name, value)

    with pytest.raises(NotRunAgainError, match=reason):
        run_again(row)


@pytest.mark.django_db
def test_what_was_not_enqueued_can_be_run_again_later(fail: Fail, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise BrokerUnavailableError

    row = fail(tasks.give_up)
    monkeypatch.setitem(current_app.conf, "task_always_eager", False)
    monkeypatch.setattr(tasks.give_up, "apply_async", refuse)
    with pytest.raises(BrokerUnavailableError):
        run_again(row)

    assert not FailedTask.objects.exclude(run_again_as="").exists()


@pytest.mark.django_db
def test_old_records_are_deleted(fail: Fail, settings: LazySettings) -> None:
    old, young = fail(tasks.give_up), fail(tasks.give_up)
    FailedTask.objects.filter(pk=old.pk).update(failed_at=timezone.now() - timedelta(days=31))
    settings.FAILURES_KEPT = timedelta(days=30)

    assert delete_old_records() == {"failures": 1, "leases": 0}
    assert FailedTask.objects.get() == young


@pytest.mark.django_db
def test_the_admin_shows_a_failure_and_lets_nobody_change_it(fail: Fail, admin_client: Client) -> None:
    row = fail(tasks.give_up, "an argument")

    listed, page = admin_client.get(LIST), admin_client.get(f"{LIST}{row.pk}/change/")

    assert "LookupError: on purpose" in listed.text
    assert "an argument" in page.text
    assert "raise LookupError" in page.text
    assert 'name="_save"' not in page.text


def act(client: Client, row: FailedTask) -> str:
    return client.post(LIST, {"action": "run_again", "_selected_action": [row.pk]}, follow=True).text


@pytest.mark.django_db
def test_the_admin_runs_a_task_again_and_logs_who_did(fail: Fail, admin_client: Client) -> None:
    row = fail(tasks.give_up)
    tasks.note("mended")

    assert "Run again: 1." in act(admin_client, row)
    assert "it was run again already" in act(admin_client, row)

    row.refresh_from_db()
    assert LogEntry.objects.get().get_change_message() == f"Run again as {row.run_again_as}."


@pytest.mark.django_db
def test_who_may_only_look_can_t_run_again(fail: Fail, client: Client) -> None:
    row = fail(tasks.give_up)
    person = get_user_model().objects.create_user(username="eve", password=None, is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_failedtask"))
    client.force_login(person)

    assert client.get(LIST).status_code == HTTPStatus.OK
    act(client, row)

    row.refresh_from_db()
    assert row.run_again_as == ""


@pytest.mark.django_db
def test_the_command_lists_shows_and_runs_again(fail: Fail, capsys: pytest.CaptureFixture[str]) -> None:
    row = fail(tasks.give_up, "an argument")
    call_command("failures")
    assert f"{row.task_id}  tests.give_up  LookupError: on purpose" in capsys.readouterr().out

    call_command("failures", "show", row.task_id[:8])
    shown = capsys.readouterr().out
    assert "an argument" in shown
    assert "raise LookupError" in shown

    tasks.note("mended")
    call_command("failures", "run-again", "--task", "tests.give_up")
    row.refresh_from_db()
    assert f"{row}: run again as {row.run_again_as}" in capsys.readouterr().out


@pytest.mark.django_db
@pytest.mark.parametrize("arguments", [["run-again"], ["run-again", "0000"], ["run-again", "--all"], ["show", "0000"]])
def test_the_command_says_what_is_wrong(arguments: list[str], fail: Fail) -> None:
    fail(tasks.give_up)

    with pytest.raises(CommandError):
        call_command("failures", *arguments)
