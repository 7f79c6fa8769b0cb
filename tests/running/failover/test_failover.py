"""The server that leads is killed, frozen and cut off under load, and another one takes its place.

``FAILOVERS`` says how often each: once in CI, ten times by ``make test-failover``.
"""

import os
import re
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest

from tests.running.faults.conftest import Team
from tests.servers import wait_until

Record = Callable[[str, object], None]
FAILOVERS = int(os.environ.get("FAILOVERS", "1"))
PER_SECOND = 50.0
REDELIVERY = 60  # seconds, within which what a lost connection held has come back


@pytest.mark.parametrize("broker", ["sentinel"], indirect=True)
@pytest.mark.parametrize("fault", ["killed", "frozen", "cut_off"])
def test_the_primary_of_redis_is_lost_again_and_again(team: Team, fault: str, record_property: Record) -> None:
    lose_again_and_again(team, fault, record_property)

    assert team.ledger.lost() == []


@pytest.mark.parametrize("broker", ["sentinel"], indirect=True)
@pytest.mark.parametrize("fault", ["killed", "cut_off"])
def test_what_is_lost_without_confirmation_is_counted(team: Team, fault: str, record_property: Record) -> None:
    """Nothing but the counts is asserted: what is lost depends on the moment."""
    team.environment["CELERY_BROKER_REPLICAS"] = "0"
    for port in team.broker.ports:
        team.broker.ask(port, "config", "set", "min-replicas-to-write", "0")
    lose_again_and_again(team, fault, record_property)

    assert team.ledger.count("end")


@pytest.mark.parametrize("broker", ["cluster"], indirect=True)
def test_the_leading_node_of_rabbitmq_is_lost_again_and_again(team: Team, record_property: Record) -> None:
    lose_again_and_again(team, "killed", record_property)

    assert team.ledger.lost() == []


def lose_again_and_again(team: Team, fault: str, record: Record) -> None:
    """Make a fault of the server that leads, ``FAILOVERS`` times under load, and record what came of it."""
    begins = []
    with team.worker() as worker, team.sending(10**6, 0.01, PER_SECOND) as sender:
        for _ in range(FAILOVERS):
            wait_until(partial(team.ledger.is_at_work_since, time.time()), "work", 60)
            with team.broker.fault(fault) as begin:
                begins.append(begin)
                wait_until(partial(runs_what_is_sent_since, team, time.time()), "work with another primary", 60)
            assert worker.popen.poll() is None, worker.output()
        sender.stop()
        end = time.monotonic() + REDELIVERY
        while team.ledger.lost() and time.monotonic() < end:
            time.sleep(1)
        assert worker.popen.poll() is None, worker.output()

    refusals = [float(seconds) for seconds in re.findall(r"refused after ([\d.]+) s", sender.output())]
    again = sum(times - 1 for times in team.ledger.count("start").values())
    counts = (FAILOVERS, len(team.ledger.count("sent")), again, len(team.ledger.lost()), len(refusals))
    seconds = (longest_pause(team, "start", begins), longest_pause(team, "sent", begins), max(refusals, default=0.0))
    figures = " ".join([*(f"{count:9}" for count in counts), *(f"{length:9.1f}" for length in seconds)])
    record("failovers", f"{team.name:66} {figures}")


def runs_what_is_sent_since(team: Team, moment: float) -> bool:
    """Whether a task has started that was enqueued after this moment."""
    lines = team.ledger.lines()
    sent = {line.number for line in lines if line.event == "sent" and line.at > moment}
    return any(line.number in sent for line in lines if line.event == "start")


def longest_pause(team: Team, event: str, begins: list[float]) -> float:
    """The longest time between two events of a kind, of which the second comes after one of these moments."""
    moments = sorted(line.at for line in team.ledger.lines() if line.event == event)
    after = [(first, second) for first, second in pairwise(moments) if any(begin < second for begin in begins)]
    return max(second - first for first, second in after)
