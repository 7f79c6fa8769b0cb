"""A worker that is stopped loses nothing, runs nothing twice, and ends as soon as its last task does.

``STOPS`` says how often each way is tried: a few times in CI, 20 times by ``make test-kills``.
"""

import os
import signal
import time
from collections.abc import Callable
from functools import partial

import pytest

from tests.running.faults.conftest import Team
from tests.servers import Process, wait_until

STOPS = int(os.environ.get("STOPS", "2"))
FIRST = 50  # tasks that a worker has done before it is stopped
LONGEST = 10.0  # seconds from the last task's end to the worker's: one that waits for lost answers takes 30


def to_the_worker(number: signal.Signals) -> Callable[[Process], None]:
    return lambda worker: os.kill(worker.popen.pid, number)


def to_all_its_processes(number: signal.Signals) -> Callable[[Process], None]:
    """As systemd and a terminal do."""
    return lambda worker: os.killpg(worker.popen.pid, number)


WAYS = {
    "SIGTERM": (to_the_worker(signal.SIGTERM), ""),
    "SIGTERM-remapped": (to_the_worker(signal.SIGTERM), "SIGQUIT"),
    "SIGTERM-to-all": (to_all_its_processes(signal.SIGTERM), ""),
    "SIGTERM-remapped-to-all": (to_all_its_processes(signal.SIGTERM), "SIGQUIT"),
    "SIGINT-to-all": (to_all_its_processes(signal.SIGINT), ""),
}


def has(team: Team, event: str, tasks: int) -> bool:
    """Whether so many tasks have had this event."""
    return len(team.ledger.count(event)) >= tasks


def test_a_worker_is_stopped_while_its_queue_is_full(team: Team) -> None:
    slowest = dict.fromkeys(WAYS, 0.0)
    with team.full_queue() as load:
        for way, (stop, remap) in WAYS.items():
            for _ in range(STOPS):
                with team.worker(2, REMAP_SIGTERM=remap) as worker:
                    load.has_done(0)
                    wait_until(partial(load.has_done, load.done + FIRST), "tasks done")
                    stop(worker)
                    worker.popen.wait(60)
                    ended = time.time()
                    assert worker.popen.returncode == 0, f"{way}\n{worker.output()}"
                slowest[way] = max(slowest[way], ended - team.ledger.last("end"))
    with team.worker(2):
        team.wait_until_done(120, load.sent)

    seconds = ", ".join(f"{way} {value:.1f}" for way, value in slowest.items())
    print(f"{STOPS} stops each, {load.sent} tasks; the slowest, in seconds after its last task's end: {seconds}")
    assert max(slowest.values()) < LONGEST
    assert set(team.ledger.count("start").values()) == {1}
    assert team.ledger.lost() == []


@pytest.mark.parametrize("way", [way for way in WAYS if way.endswith("-to-all")])
def test_a_running_task_is_given_its_time(team: Team, way: str) -> None:
    stop, remap = WAYS[way]
    team.send(2, 4)
    with team.worker(2, REMAP_SIGTERM=remap) as worker:
        wait_until(partial(has, team, "start", 2), "two tasks")
        stop(worker)
        worker.popen.wait(60)

    assert team.ledger.count("start") == team.ledger.count("end") == {0: 1, 1: 1}


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_a_pool_without_processes_waits_for_its_tasks(team: Team, pool: str) -> None:
    """They can't be ended, and so they are not lost."""
    team.send(6, 2)
    for _ in range(2):
        done = len(team.ledger.count("end"))
        with team.worker(2, "--pool", pool) as worker:
            wait_until(partial(has, team, "start", done + 1), "a task")
            os.kill(worker.popen.pid, signal.SIGQUIT)
            worker.popen.wait(60)
            assert worker.popen.returncode == 0, worker.output()
    with team.worker(2):
        team.wait_until_done(60, 6)

    assert set(team.ledger.count("start").values()) == {1}
    assert team.ledger.lost() == []
