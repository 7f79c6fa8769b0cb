"""Of several that claim a lease one holds it, until it lets go or does not renew it."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from background.beat import lease
from background.beat.lease import LIFETIME, MARGIN, Claim, tenure
from background.models import Lease

pytestmark = pytest.mark.django_db


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock of this process that a test sets: the time is the one item."""
    seconds = [1000.0]
    monkeypatch.setattr(lease, "clock", lambda: seconds[0])
    return seconds


def run_out() -> None:
    """Let the database's clock go on by more than a lifetime."""
    lifetime = timedelta(seconds=LIFETIME + 1)
    Lease.objects.update(expires=F("expires") - lifetime, ticked=F("ticked") - lifetime)


def test_one_takes_it_and_the_others_do_not() -> None:
    first, second = Claim("a"), Claim("a")

    assert (first.take(), second.take(), first.take()) == (True, False, False)
    assert (first.is_held, second.is_held) == (True, False)


def test_two_leases_have_nothing_to_do_with_each_other() -> None:
    assert (Claim("a").take(), Claim("b").take()) == (True, True)


def test_one_that_has_run_out_is_taken_and_then_not_renewed() -> None:
    first, second = Claim("a"), Claim("a")
    first.take()
    run_out()

    assert (second.take(), first.renew()) == (True, False)
    assert (first.is_held, second.is_held) == (False, True)


def test_one_that_has_run_out_is_renewed_while_nobody_has_taken_it() -> None:
    first = Claim("a")
    first.take()
    run_out()

    assert first.renew()
    assert not Claim("a").take()


def test_one_that_was_given_back_is_taken_at_once() -> None:
    first, second = Claim("a"), Claim("a")
    first.take()
    first.release()

    assert not first.is_held
    assert second.take()


def test_another_s_is_not_given_back() -> None:
    first, second = Claim("a"), Claim("a")
    first.take()
    run_out()
    second.take()

    first.release()

    assert second.renew()


def test_the_holder_counts_it_as_lost_before_another_may_take_it(seconds: list[float]) -> None:
    claim = Claim("a")
    claim.take()

    seconds[0] += LIFETIME - MARGIN - 0.1
    held = claim.is_held
    seconds[0] += 0.2

    assert (held, claim.is_held) == (True, False)


def test_the_time_counts_from_before_the_question(seconds: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that answers late may have written at once."""
    claim = Claim("a")
    claim.take()
    rows = type(Lease.objects.all())
    update = rows.update

    def late_update(self: object, **fields: object) -> int:
        done: int = update(self, **fields)  # type: ignore[arg-type]
        seconds[0] += LIFETIME - MARGIN
        return done

    monkeypatch.setattr(rows, "update", late_update)

    assert claim.renew()
    assert not claim.is_held


def test_the_tenure_says_who_since_when_and_when_last() -> None:
    claim = Claim("a")
    claim.take()
    Lease.objects.update(since=Now() - timedelta(hours=1))
    claim.renew()

    found = tenure("a")

    assert found is not None
    assert found.holder == claim.holder
    assert found.is_live
    assert found.ticked - found.since >= timedelta(hours=1)
    assert timedelta() <= found.age < timedelta(seconds=10)


def test_the_tenure_of_one_that_has_run_out_is_not_live() -> None:
    Claim("a").take()
    run_out()

    found = tenure("a")

    assert found is not None
    assert not found.is_live
    assert found.age >= timedelta(seconds=LIFETIME)


def test_there_is_no_tenure_before_anybody_has_held_it() -> None:
    assert tenure("a") is None
