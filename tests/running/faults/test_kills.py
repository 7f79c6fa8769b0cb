"""A worker is killed again and again under full load, and no message is lost: it is in its queue, or in the record.

Kills at a low rate prove nothing, as hardly a message is between two places then. Here tasks take no time, the queue is never
empty, and the whole worker with its children is killed at a random moment. ``KILLS`` says how often: some in CI, 500 by
``make test-kills``.
"""

import os
import random
import signal
import time
from functools import partial

import pytest

from tests.running.faults.conftest import Team
from tests.servers import wait_until

KILLS = int(os.environ.get("KILLS", "15"))
FIRST = 50  # tasks that a worker has done before it is killed
VISIBILITY_TIMEOUT = 30.0  # seconds, in project/settings.py
CONCURRENCY = 2


@pytest.mark.parametrize("kind", ["redis", "valkey", "rabbitmq"], indirect=True)
def test_the_whole_worker_is_killed_at_random_moments_under_full_load(team: Team) -> None:
    chance = random.Random(0)
    with team.full_queue() as load:
        for _ in range(KILLS):
            with team.worker(CONCURRENCY) as worker:
                load.has_done(0)
                wait_until(partial(load.has_done, load.done + FIRST), "tasks done")
                time.sleep(chance.random() * 0.25)
                os.killpg(worker.popen.pid, signal.SIGKILL)
                worker.popen.wait()
    sent = load.sent
    with team.worker(CONCURRENCY):
        end = time.monotonic() + VISIBILITY_TIMEOUT + 30
        while len(team.ledger.count("end")) < sent and time.monotonic() < end:
            time.sleep(1)

    starts, ends = team.ledger.count("start"), team.ledger.count("end")
    again = sum(times - 1 for times in starts.values())
    print(f"{KILLS} kills, {sent} tasks, {again} run again, {sent - len(ends)} lost")
    assert sorted(set(range(sent)) - ends.keys()) == []
    assert again <= KILLS * (CONCURRENCY + 1)  # what was in hand: a task for each process, and one that waits for it
