"""Of two beats one sends, and the other continues where the first one ended."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import DatabaseError
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from background.beat.leadership import CLOCK_IS_WRONG, CUT_OFF, LEADS, STANDS_BY
from background.beat.lease import SCHEDULE, Claim, tenure
from background.beat.scheduler import LOOK, Scheduler
from background.models import Lease

pytestmark = pytest.mark.django_db

Start = Callable[[], Scheduler]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def overdue(entries: dict[str, Any]) -> PeriodicTask:
    """An entry that is due."""
    entries.clear()
    every = IntervalSchedule.objects.create(every=1, period="hours")
    row = PeriodicTask.objects.create(name="overdue", task="a", interval=every)
    PeriodicTask.objects.filter(pk=row.pk).update(last_run_at=LONG_AGO)
    return row


def send(scheduler: Scheduler) -> list[str]:
    """The names of the entries that some ticks send."""
    sent: list[str] = []
    scheduler.apply_async = lambda entry, **options: sent.append(entry.name)
    for _ in range(5):
        scheduler.tick()
    return sent


def run_out() -> None:
    """As if the leader had been killed long ago."""
    Lease.objects.update(expires=LONG_AGO)


def fail(*args: object) -> None:
    raise DatabaseError("it is away")


def test_the_first_leads_and_the_second_stands_by(start: Start) -> None:
    first, second = start(), start()

    assert (first.state, second.state) == (LEADS, STANDS_BY)
    assert second.tick() == LOOK
    assert (send(second), send(first)) == ([], ["overdue"])


def test_one_that_stands_by_asks_for_nothing_but_the_lease(start: Start, django_assert_num_queries: Any) -> None:
    start()
    second = start()

    with django_assert_num_queries(1):
        second.tick()


@pytest.mark.parametrize(("error", "said"), [(-600, "600 seconds behind"), (600, "600 seconds ahead of")])
def test_a_beat_whose_clock_is_wrong_does_not_lead_until_it_is_right(
    error: float, said: str, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """The database's clock is not moved here."""
    start().close()
    with time_machine.travel(timezone.now() + timedelta(seconds=error)):
        wrong = start()

        assert (wrong.state, send(wrong)) == (CLOCK_IS_WRONG, [])
        assert said in caplog.text
        assert not wrong.state.startswith("ready")
    assert send(wrong) == ["overdue"]
    assert wrong.state == LEADS


def test_a_leader_whose_clock_goes_wrong_hands_over(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = start(), start()
    monkeypatch.setattr(first.leadership.claim, "clock_error", lambda: 600.0)
    monkeypatch.setattr(type(first.leadership.claim), "is_to_be_renewed", True)

    assert (send(first), send(second)) == ([], ["overdue"])
    assert (first.state, second.state) == (CLOCK_IS_WRONG, LEADS)


def test_a_leader_that_is_closed_is_replaced_at_once_and_nothing_is_repeated(start: Start) -> None:
    first, second = start(), start()
    send(first)
    first.close()

    assert send(second) == []
    assert second.state == LEADS
    assert PeriodicTask.objects.get(name="overdue").total_run_count == 1


def test_what_a_killed_leader_had_not_recorded_is_sent_again(start: Start) -> None:
    first, second = start(), start()
    first.sync_every = 1000
    send(first)
    run_out()

    assert send(second) == ["overdue"]


def test_a_leader_that_was_replaced_records_nothing_and_sends_nothing(start: Start) -> None:
    first, second = start(), start()
    first.sync_every = 1000
    send(first)
    run_out()
    send(second)
    second.sync()
    before = PeriodicTask.objects.values().get(name="overdue")

    first.sync()

    assert PeriodicTask.objects.values().get(name="overdue") == before
    assert (first.leadership.leads, first._dirty) == (False, set())
    assert send(first) == []


def test_the_lease_is_looked_at_just_before_an_entry_is_sent(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    leader = start()
    monkeypatch.setattr(Claim, "is_held", False)
    entry = leader.schedule["overdue"]

    assert not leader.is_due(entry).is_due
    assert entry.is_due().is_due


def test_a_record_and_the_renewal_are_made_together_or_not_at_all(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = start()
    leader.sync_every = 1000
    send(leader)
    Lease.objects.update(ticked=LONG_AGO)

    with monkeypatch.context() as patch:
        patch.setattr(Scheduler, "record", fail)
        leader.sync()
        failed = leader.state, set(leader._dirty), Lease.objects.get().ticked
    leader.sync()

    assert failed == (CUT_OFF, {"overdue"}, LONG_AGO)
    assert PeriodicTask.objects.get(name="overdue").total_run_count == 1
    assert Lease.objects.get().ticked > LONG_AGO


def test_a_leader_that_cannot_record_does_not_send(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    leader = start()

    with monkeypatch.context() as patch:
        patch.setattr(Claim, "renew", fail)
        leader.leadership.claim.suspend()
        during = send(leader), leader.state
    after = send(leader), leader.state

    assert during == ([], CUT_OFF)
    assert after == (["overdue"], LEADS)


def test_a_new_leader_reads_the_schedule_before_it_sends(start: Start) -> None:
    first, second = start(), start()
    send(second)
    PeriodicTask.objects.all().update(enabled=False)  # no signal, so no beat is told
    first.close()

    assert send(second) == []


def test_a_closed_beat_has_given_its_lease_back(start: Start) -> None:
    start().close()

    found = tenure(SCHEDULE)
    assert found is not None
    assert (found.holder, found.is_live) == ("", False)
