"""Nothing that was accepted is lost, whatever is killed, restarted or silent. Each test sends 2,000 tasks."""

import os
import random
import re
import signal
import time

import pytest

from tests.running.faults.conftest import TASKS, Team
from tests.servers import Process, children, wait_until

VISIBILITY_TIMEOUT = 30.0  # seconds, in project/settings.py
GRACE_PERIOD = 30.0  # seconds, of the worker in compose.production.yaml


def wait_for_load(team: Team, done: int) -> None:
    wait_until(lambda: len(team.ledger.count("end")) >= done, f"{done} tasks done")


def test_pool_children_are_killed_again_and_again(team: Team) -> None:
    """A killed task is tried again after ten seconds."""
    chance = random.Random(0)
    with team.worker() as worker:
        team.send()
        kills = 0
        while len(team.ledger.count("end")) < TASKS - 100:
            os.kill(chance.choice(children(worker)), signal.SIGKILL)
            kills += 1
            time.sleep(0.5)
        team.wait_until_done(120)

    print(f"{kills} children were killed")
    assert kills >= 5
    assert "runs again (a retry), attempt 2." in worker.output()
    assert team.ledger.lost() == []


def test_the_whole_worker_is_killed_and_a_new_one_started(team: Team) -> None:
    with team.worker() as worker:
        team.send()
        wait_for_load(team, 200)
        os.killpg(worker.popen.pid, signal.SIGKILL)
        worker.popen.wait()
        killed = time.monotonic()
    with team.worker() as second:
        team.wait_until_done(VISIBILITY_TIMEOUT + 15 - (time.monotonic() - killed))

    assert "runs again (redelivered" in second.output()
    assert team.ledger.lost() == []


def test_a_worker_is_stopped_with_long_tasks_running(team: Team) -> None:
    """What it can't finish is run again at once by another worker, long before the visibility timeout."""
    with team.worker() as first, team.worker(concurrency=8):
        team.send(TASKS - 8, 0.01)
        team.send(8, 20, first=TASKS - 8)
        wait_until(lambda: len(unfinished(team)) >= 8, "long tasks on both workers")
        first.popen.terminate()
        first.popen.wait(GRACE_PERIOD)
        stopped = time.time()
        team.wait_until_done(60)

    again = [line.at - stopped for line in team.ledger.lines() if line.event == "start" and line.at > stopped]
    assert first.popen.returncode == 0
    assert all(seconds < 10 for seconds in again)
    assert team.ledger.lost() == []


def unfinished(team: Team) -> set[int]:
    return team.ledger.count("start").keys() - team.ledger.count("end").keys()


def test_the_broker_is_restarted_ten_times_under_load(team: Team) -> None:
    """Each time the same worker process is at work again within ten seconds, of which the load lasts ten times twelve."""
    with team.worker() as worker, team.sending(per_second=TASKS / 120) as sender:
        wait_for_load(team, 20)
        for _ in range(10):
            team.broker.stop()
            team.broker.start()
            up = time.time()
            wait_until(lambda: team.ledger.is_at_work_since(up), "work after the restart", 10)  # noqa: B023 it is called here
            assert worker.popen.poll() is None, worker.output()
            time.sleep(2)
        wait_until(lambda: sender.popen.poll() is not None, "the end of the sender")
        team.wait_until_done(VISIBILITY_TIMEOUT + 30)

    assert sender.popen.returncode == 0, sender.output()
    assert team.ledger.lost() == []


END_TAKING = """
import sys, time
from pathlib import Path
import redis
server = redis.Redis(port=int(sys.argv[1]), db=1)
ledger, tasks, ended = Path(sys.argv[2]), int(sys.argv[3]), 0
while ledger.read_text().count("end ") < tasks - 100:
    for client in server.client_list():
        if client["cmd"] == "evalsha":
            ended += server.client_kill_filter(_id=client["id"])
    time.sleep(0.5)
print(ended)
"""


@pytest.mark.parametrize("kind", ["redis"], indirect=True)
def test_the_connection_that_takes_messages_is_ended_again_and_again(team: Team) -> None:
    """A message whose answer is lost is in the record, and comes back from there."""
    with team.worker() as worker:
        team.send()
        ended = int(team.run(END_TAKING, str(team.broker.port), str(team.ledger.path), str(TASKS)))
        team.wait_until_done(VISIBILITY_TIMEOUT + 30)
        wait_until(lambda: team.held() == 0, "an empty record", VISIBILITY_TIMEOUT + 30)
        assert worker.popen.poll() is None, worker.output()

    print(f"{ended} connections were ended")
    assert ended >= 5
    assert team.ledger.lost() == []


def test_the_broker_is_silent_for_a_minute(team: Team) -> None:
    with team.worker() as worker, team.sending(per_second=TASKS / 40) as sender:
        wait_for_load(team, 200)
        with team.broker.frozen():
            time.sleep(60)
        thawed = time.time()
        wait_until(lambda: team.ledger.is_at_work_since(thawed), "work after the silence", 60)
        assert worker.popen.poll() is None, worker.output()
        wait_until(lambda: sender.popen.poll() is not None, "the end of the sender")
        team.wait_until_done(VISIBILITY_TIMEOUT + 30)

    refusals = refused(sender)
    print(f"{len(refusals)} refusals, the longest after {max(refusals):.2f} s")
    assert len(refusals) >= 10
    assert max(refusals) < 2
    assert team.ledger.lost() == []


def refused(sender: Process) -> list[float]:
    """The seconds that each refusal took."""
    return [float(seconds) for seconds in re.findall(r"refused after ([\d.]+) s", sender.output())]


@pytest.mark.parametrize("poison", ["end_its_process", "be_killed", "exhaust_memory"])
def test_a_task_that_ends_its_process_each_time_ends_as_a_failure(team: Team, poison: str) -> None:
    """The others are not held up; the failure is recorded though the task does not keep its result.

    A process that is killed is a chance, and is tried again; a ``MemoryError`` is the task's own answer, and is final.
    """
    send = f"print(recorded.{poison}.delay({TASKS}).id)"
    with team.worker() as worker:
        task_id = team.run(send).strip()
        team.send()
        team.wait_until_done(60)
        state = f"from celery.result import AsyncResult; print(AsyncResult({task_id!r}).state)"
        wait_until(lambda: team.run(state).strip() == "FAILURE", "the recorded failure", 120)
        assert worker.popen.poll() is None, worker.output()

    starts = team.ledger.count("start")[TASKS]
    assert starts == (1 if poison == "exhaust_memory" else 4)
    assert team.ledger.lost() == []


def test_a_transaction_is_rolled_back_after_delay_on_commit(team: Team) -> None:
    """The one task that is committed afterwards shows that nothing else was in the queue."""
    team.run(f"""
from django.db import transaction
with transaction.atomic():
    for number in range({TASKS}):
        recorded.work.delay_on_commit(number, 0)
    transaction.set_rollback(True)
with transaction.atomic():
    recorded.work.delay_on_commit({TASKS}, 0)
recorded.note("sent", {TASKS})
""")
    with team.worker(concurrency=1):
        wait_until(lambda: team.ledger.count("end")[TASKS], "the committed task")

    assert team.ledger.count("start").keys() == {TASKS}


ENQUEUE = """
import os, signal, sys, time, uuid
from background.task import BrokerUnavailableError
from django.test import Client

def form():
    fields = {"months": 1, "task_id": str(uuid.uuid4())}
    response = Client().post("/", fields)
    if response.status_code == 503:
        assert "try again in a minute" in response.text
        raise BrokerUnavailableError("503")

attempts = {
    "drops its result": lambda: recorded.work.delay(0, 0),
    "keeps its result": lambda: recorded.keep_result.delay(0),
    "is due later": lambda: recorded.work.apply_async((0, 0), countdown=3),
    "page": form,
}
group = int(sys.argv[1])
if group:
    for attempt in attempts.values():
        attempt()
    os.killpg(group, signal.SIGSTOP)
try:
    for name, attempt in [*attempts.items()] * 2:
        start = time.monotonic()
        try:
            attempt()
        except BrokerUnavailableError:
            print(f"{name}: refused after {time.monotonic() - start:.2f} s")
finally:
    if group:
        os.killpg(group, signal.SIGCONT)
"""


@pytest.mark.parametrize("fault", ["refused", "silent"])
def test_enqueueing_fails_within_two_seconds(team: Team, fault: str) -> None:
    """Of a task that drops its result, of one that keeps it, and on the page; with connections that were open or not."""
    if fault == "refused":
        team.broker.stop()
    group = team.broker.process.popen.pid if fault == "silent" else 0
    output = team.run(ENQUEUE, str(group))

    print(output)
    refusals = [float(seconds) for seconds in re.findall(r"refused after ([\d.]+) s", output)]
    assert len(refusals) == 8
    assert max(refusals) < 2
