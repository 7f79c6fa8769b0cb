"""What is written into the outbox runs, whoever dies when, and what is of the far future runs once and on time.

``DYING``, ``RELAY_KILLS`` and ``FAR`` say how much is tried: a little in CI, more by ``make test-kills``.
"""

import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.running.faults.conftest import HERE, Team
from tests.servers import Process, wait_until

DYING = int(os.environ.get("DYING", "100"))  # requests
RELAY_KILLS = int(os.environ.get("RELAY_KILLS", "1"))
FAR = int(os.environ.get("FAR", "200"))  # tasks
ROWS = 2000  # for each kill: more than a relay sends before it is killed
COUNTDOWN = 90.0  # seconds: three visibility timeouts of these tests
SPREAD = max(20.0, FAR / 170)  # seconds over which they are due: no more at a time than the workers do
ON_TIME = 2.0  # seconds
WRITE = """
import sys
from django.db import transaction
first, count = map(int, sys.argv[1:])
with transaction.atomic():
    for number in range(first, first + count):
        recorded.work.delay_in_transaction(number, 0)
for number in range(first, first + count):
    recorded.note("sent", number)
"""
FAR_AWAY = """
import sys
count, countdown, spread = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
for number in range(count):
    recorded.work.apply_async((number, 0), countdown=countdown + number * spread / count)
    recorded.note("sent", number)
"""


@contextmanager
def beat(team: Team) -> Iterator[Process]:
    """A beat that leads or stands by."""
    with team.running("-m", "celery", "-A", "config", "beat", "--loglevel", "INFO", "--pidfile=") as process:
        process.wait_for(lambda: "This beat" in process.output(), "a beat")
        yield process


def test_requests_die_after_their_commit(team: Team) -> None:
    shutil.copy(HERE / "project/die.py", team.project.path)
    with team.worker(2), beat(team):
        with team.running("die.py", str(DYING)) as requests:
            wait_until(lambda: requests.popen.poll() is not None, "the end of the requests", 600)
            assert requests.popen.returncode == 0, requests.output()
        team.wait_until_done(60, DYING)

    assert team.ledger.lost() == []
    assert len(team.ledger.count("start")) == DYING


def test_the_relay_is_killed(team: Team) -> None:
    """A kill counts if it met a relay at its work. A quick machine may send all of its messages before."""
    written = 0
    left: list[int] = []
    while sum(map(bool, left)) < RELAY_KILLS and len(left) < 10 * RELAY_KILLS:
        team.run(WRITE, str(written), str(ROWS))
        written += ROWS
        with team.running("-m", "celery", "-A", "config", "beat", "--pidfile=") as leader:
            rows = waiting(team)
            while waiting(team) == rows:
                assert leader.popen.poll() is None, leader.output()
            time.sleep(random.uniform(0, 0.3))
            os.kill(leader.popen.pid, signal.SIGKILL)
            leader.popen.wait()
        left.append(waiting(team))
    with team.worker(2), beat(team):
        team.wait_until_done(180, written)
        wait_until(lambda: waiting(team) == 0, "an empty outbox", 30)

    twice = sum(times - 1 for times in team.ledger.count("start").values())
    print(f"{len(left)} kills, {written} tasks, {twice} run again; unsent at each kill: {left}")
    assert sum(map(bool, left)) == RELAY_KILLS
    assert team.ledger.lost() == []


def waiting(team: Team) -> int:
    """How many messages are in the outbox. It is asked often, without Django."""
    with closing(sqlite3.connect(team.project.path / "db.sqlite3", timeout=20)) as database:
        return int(database.execute("SELECT count(*) FROM background_outboxmessage").fetchone()[0])


@pytest.mark.parametrize("kind", ["redis"], indirect=True)
def test_tasks_of_the_far_future_run_once_and_on_time(team: Team) -> None:
    """Worker, beat and broker are started again three times meanwhile."""
    with team.worker(2), beat(team):
        team.run(FAR_AWAY, str(FAR), str(COUNTDOWN), str(SPREAD))
    for _ in range(3):
        team.broker.stop()
        team.broker.start()
        with team.worker(2), beat(team):
            time.sleep(3)
    with team.worker(2), beat(team):
        team.wait_until_done(COUNTDOWN + SPREAD + 60, FAR)

    late = lateness(team)
    print(f"{FAR} tasks; the earliest {min(late):.2f} s, the latest {max(late):.2f} s after its moment")
    assert set(team.ledger.count("start").values()) == {1}
    assert min(late) > -ON_TIME
    assert max(late) < ON_TIME


def lateness(team: Team) -> list[float]:
    """Seconds from the moment of each task to its start."""
    sent = {line.number: line.at for line in team.ledger.lines() if line.event == "sent"}
    start = {line.number: line.at for line in team.ledger.lines() if line.event == "start"}
    return [start[number] - at - COUNTDOWN - number * SPREAD / FAR for number, at in sent.items()]
