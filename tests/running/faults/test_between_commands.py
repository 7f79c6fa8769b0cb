"""A worker is killed between two commands, on purpose: at each request to Redis in turn, before and after Redis executes it.

A kill at random seldom meets a moment of microseconds. Here a proxy counts the worker's requests and kills it at a certain one:
while it takes and acknowledges messages, while it gives back what it holds, and while it gives back what others held.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from itertools import count

import pytest

from tests.running.faults.conftest import HERE, Team
from tests.running.faults.proxy import proxy
from tests.running.faults.test_kills import VISIBILITY_TIMEOUT
from tests.servers import Process, wait_until

REQUESTS = int(os.environ.get("REQUESTS", "3"))  # the requests at which a worker is killed: 1 to this
LATER = 25  # seconds: a worker holds a task until then, and the visibility timeout has not passed


def kill(worker: Process) -> None:
    os.killpg(worker.popen.pid, signal.SIGKILL)


def kill_at_each_request(team: Team, pattern: bytes, before: Callable[[Process], None]) -> int:
    """Kill a worker at each request in turn, counted from the first one with the pattern. Return how many were killed.

    ``before`` is called when the worker is ready, and the kill is prepared after it.
    """
    kills = 0
    with proxy(team.broker.port) as between:
        for number in range(1, REQUESTS + 1):
            for executes in (False, True):
                with team.worker(1, CELERY_BROKER_URL=f"redis://127.0.0.1:{between.port}/1") as worker:
                    before(worker)
                    between.arm(pattern, number, executes, partial(kill, worker))
                    if pattern == b"unacked":
                        worker.popen.terminate()
                    worker.popen.wait(60)
                    kills += worker.popen.returncode == -signal.SIGKILL
                between.disarm()
    return kills


def finish(team: Team, what: str, kills: int) -> None:
    """Let a worker do the rest, and count."""
    sent = len(team.ledger.count("sent"))
    with team.worker(2):
        team.wait_until_done(VISIBILITY_TIMEOUT + LATER + 30, sent)
        wait_until(lambda: team.held() == 0, "the last acknowledgement", 30)

    again = sum(times - 1 for times in team.ledger.count("start").values())
    print(
        f"{what}: {kills} kills between two commands, {sent} tasks, {again} run again, {len(team.ledger.lost())} lost"
    )
    assert kills == 2 * REQUESTS
    assert team.ledger.lost() == []
    assert again <= 2 * kills  # a task that runs, and one that waits for the process


@pytest.mark.parametrize("kind", ["redis"], indirect=True)
def test_a_worker_is_killed_while_it_takes_and_acknowledges(team: Team) -> None:
    team.send(2 * REQUESTS * 1000, 0)

    finish(team, "taking", kill_at_each_request(team, b"EVALSHA", lambda worker: None))


@pytest.mark.parametrize("kind", ["redis"], indirect=True)
def test_a_worker_is_killed_while_it_gives_back_what_it_holds(team: Team) -> None:
    shutil.copy(HERE / "project/in_the_broker.py", team.project.path)
    number = count(step=5)

    def send(worker: Process) -> None:
        team.send(5, 0, first=next(number), COUNTDOWN=str(LATER), APP="in_the_broker")
        wait_until(lambda: team.held() >= 5, "messages in hand")

    finish(team, "giving back", kill_at_each_request(team, b"unacked", send))


@pytest.mark.parametrize("kind", ["redis"], indirect=True)
def test_a_worker_is_killed_while_it_gives_back_what_others_held(team: Team) -> None:
    shutil.copy(HERE / "project/in_the_broker.py", team.project.path)
    team.send(200, 0, COUNTDOWN=str(LATER), APP="in_the_broker")
    with team.worker(1) as worker:
        wait_until(lambda: team.held() == 200, "messages in hand")
        kill(worker)
    time.sleep(VISIBILITY_TIMEOUT)

    finish(team, "sweeping", kill_at_each_request(team, b"unacked_mutex", lambda worker: None))
