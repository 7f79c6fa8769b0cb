"""A message that is written in a transaction is sent if that is committed, and one of the far future when it is due."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery import chain, current_app, group
from celery.exceptions import QueueNotFound
from django.db import connection, transaction
from django.utils import timezone
from kombu.exceptions import EncodeError, OperationalError

from background.models import Lease, OutboxMessage
from background.outbox.relay import BATCH, Relay
from background.tests.tasks import give_five, note, note_number, retry_in_a_transaction

WaitUntil = Callable[[Callable[[], object]], None]
HOUR = 3600


def noted() -> set[str]:
    return set(Lease.objects.values_list("name", flat=True))


def on_redis() -> bool:
    return "visibility_timeout" in current_app.conf.broker_transport_options


@pytest.fixture
def unsent(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not eager, and nobody sends what is written."""
    monkeypatch.setitem(current_app.conf, "task_always_eager", False)


@pytest.mark.usefixtures("both_modes")
def test_what_is_committed_runs(wait_until: WaitUntil) -> None:
    with transaction.atomic():
        result = note.delay_in_transaction("committed")

        assert noted() == set()

    wait_until(lambda: noted() == {"committed"})
    wait_until(lambda: not OutboxMessage.objects.exists())

    assert result.id


@pytest.mark.usefixtures("both_modes")
def test_what_is_rolled_back_does_not_run(wait_until: WaitUntil) -> None:
    with transaction.atomic():
        note.delay_in_transaction("rolled back")
        transaction.set_rollback(True)
    note.delay_in_transaction("later")

    wait_until(lambda: noted() == {"later"})


@pytest.mark.usefixtures("worker")
def test_a_message_keeps_all_that_celery_wrote(wait_until: WaitUntil) -> None:
    give_five.apply_async_in_transaction(link=note_number.s(), priority=3, headers={"tenant": "a"}, expires=HOUR)

    wait_until(lambda: noted() == {"5"})


@pytest.mark.usefixtures("unsent")
def test_a_row_has_the_route_and_the_options_of_the_call() -> None:
    note.apply_async_in_transaction(["a"], queue="long", priority=3, headers={"tenant": "a"}, task_id="one")

    row = OutboxMessage.objects.get()
    assert (row.task, row.task_id) == ("tests.note", "one")
    for part in ('long"', '"priority": 3', '"tenant": "a"'):
        assert part in row.message


@pytest.mark.usefixtures("unsent")
@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [([{1}], {}, EncodeError), (["a"], {"queue": "misspelt"}, QueueNotFound), (["a"], {"time_limit": 1, "soft_time_limit": 2}, ValueError)],
)  # fmt: skip
def test_what_could_never_run_is_refused_at_once(
    arguments: list[Any], options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        note.apply_async_in_transaction(arguments, **options)

    assert not OutboxMessage.objects.exists()


@pytest.mark.usefixtures("unsent")
def test_a_broker_that_is_away_leaves_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("away")

    note.delay_in_transaction("a")
    monkeypatch.setattr("background.outbox.relay.send", fail)
    with pytest.raises(OperationalError):
        Relay(current_app, leads=lambda: True).send_batch()

    assert OutboxMessage.objects.count() == 1


@pytest.mark.usefixtures("worker")
def test_a_message_that_can_t_be_sent_keeps_no_other_waiting(wait_until: WaitUntil) -> None:
    rows = [OutboxMessage(due=timezone.now(), task="a", task_id="a", message="{}") for _ in range(BATCH)]
    OutboxMessage.objects.bulk_create(rows)
    note.delay_in_transaction("behind")

    wait_until(lambda: noted() == {"behind"})

    assert OutboxMessage.objects.filter(error="KeyError: 'headers'", due__gt=timezone.now()).count() == BATCH


@pytest.mark.usefixtures("unsent")
def test_a_countdown_of_a_call_in_a_transaction_is_waited_for_here() -> None:
    note.apply_async_in_transaction(["a"], countdown=60)

    assert 50 < (OutboxMessage.objects.get().due - timezone.now()).total_seconds() <= 60
    assert '"eta": null' in OutboxMessage.objects.get().message


@pytest.mark.usefixtures("unsent")
@pytest.mark.parametrize("name", ["countdown", "eta", "eta as text"])
def test_what_redis_would_hand_out_twice_waits_here(name: str) -> None:
    if not on_redis():
        pytest.skip("RabbitMQ keeps what is to run later")
    moment = timezone.now() + timedelta(hours=1)
    options = {"countdown": HOUR, "eta": moment, "eta as text": moment.isoformat()}
    note.apply_async(["a"], **{name.split()[0]: options[name]})

    assert abs(OutboxMessage.objects.get().due - moment) < timedelta(seconds=10)


@pytest.mark.usefixtures("unsent")
def test_so_do_the_members_of_a_group() -> None:
    if not on_redis():
        pytest.skip("RabbitMQ keeps what is to run later")
    group(note.s("a"), note.s("b")).apply_async(countdown=HOUR)

    assert OutboxMessage.objects.count() == 2


@pytest.mark.usefixtures("worker")
def test_a_retry_of_the_far_future_outlives_the_transaction_of_its_attempt(wait_until: WaitUntil) -> None:
    if not on_redis():
        pytest.skip("RabbitMQ keeps what is to run later")
    result = retry_in_a_transaction.delay(HOUR)

    wait_until(OutboxMessage.objects.exists)

    row = OutboxMessage.objects.get()
    assert row.task_id == result.id
    assert '"retries": 1' in row.message


@pytest.mark.usefixtures("worker")
def test_a_chain_of_the_far_future_runs_to_its_end(wait_until: WaitUntil) -> None:
    if not on_redis():
        pytest.skip("RabbitMQ keeps what is to run later")
    chain(give_five.s(), note_number.s()).apply_async(countdown=HOUR)
    assert OutboxMessage.objects.update(due=timezone.now()) == 1

    wait_until(lambda: noted() == {"5"})


@pytest.mark.usefixtures("unsent")
def test_only_who_leads_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("background.outbox.relay.LOOK", 0.01)
    connection.close()
    relay = Relay(current_app, leads=lambda: False)
    monkeypatch.setattr(relay, "send_batch", lambda: pytest.fail("it does not lead"))
    relay.start()
    relay.is_asked_to_end.wait(0.2)
    relay.stop()

    assert relay.trouble == ""
