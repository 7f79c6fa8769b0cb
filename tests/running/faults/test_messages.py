"""What is in the broker's way: messages that no one can run, no memory, and a queue for later that no worker has made."""

import shutil
import time

import pytest

from tests.running.faults.conftest import HERE, Team
from tests.running.faults.ledger import Ledger
from tests.servers import wait_until


def test_messages_that_no_one_can_run_are_kept_and_the_others_are_done(team: Team) -> None:
    shutil.copy(HERE / "project/unreadable.py", team.project.path)
    tasks = 100
    with team.worker(1):  # it makes the queues
        pass
    team.send(tasks // 2, 0)
    bad = int(
        team.run(
            "import unreadable, sys; print(unreadable.to_redis() if unreadable.on_redis() else unreadable.to_rabbitmq())"
        )
    )
    team.send(tasks // 2, 0, first=tasks // 2)
    with team.worker(2) as worker:
        team.wait_until_done(60, tasks)
        kept = int(team.run("import unreadable; print(unreadable.kept())"))
        assert worker.popen.poll() is None

    print(f"{bad} messages that no one can run, {kept} kept; {tasks} others, {len(team.ledger.lost())} lost")
    assert kept == bad
    assert worker.output().count("A message can't be run, and is now in the") == bad
    assert set(team.ledger.count("end").values()) == {1}
    assert team.ledger.lost() == []


FULL = """
import os, sys
from redis import Redis
redis = Redis.from_url(os.environ["CELERY_BROKER_URL"])
redis.config_set("maxmemory-policy", "noeviction")
redis.config_set("maxmemory", sys.argv[1])
"""
ENQUEUE = """
import uuid
from django.test import Client
from background.task import BrokerUnavailableError
try:
    recorded.work.delay(10**6, 0)
except BrokerUnavailableError as error:
    print(error)
print("page:", Client().post("/", {"months": 1, "task_id": str(uuid.uuid4())}).status_code)
"""
PING = """
from config.celery import app
try:
    print(app.control.inspect(timeout=2).ping())
except Exception as error:  # a full Redis gives it no queue for the answers
    print(repr(error))
"""


@pytest.mark.parametrize("kind", ["redis"], indirect=True)  # RabbitMQ makes its senders wait
def test_a_full_redis_refuses_tasks_and_is_drained(team: Team) -> None:
    tasks = 500
    team.send(tasks, 0)
    team.run(FULL, "1")

    refused, page = team.run(ENQUEUE).splitlines()
    assert refused.startswith("recorded.work was not enqueued")
    assert refused.endswith("used memory > 'maxmemory'.")
    assert page == "page: 503"
    with team.worker(2) as worker:
        ping = team.run(PING)
        team.wait_until_done(60, tasks)
        print(f"{tasks} tasks in a full Redis, {len(team.ledger.lost())} lost; inspect ping: {ping.strip()}")
        assert worker.popen.poll() is None
        team.run(FULL, "0")
        assert "pong" in team.run(PING)
        team.send(1, 0, first=tasks)
        team.wait_until_done(60, tasks + 1)

    assert set(team.ledger.count("end").values()) == {1}
    assert team.ledger.lost() == []


LATER = """
import time
recorded.work.apply_async((0, 0), countdown=3, queue="long")
recorded.note("sent", 0)
"""


@pytest.mark.parametrize("before", ["no worker", "a worker of another queue"])
def test_a_countdown_is_kept_to_before_a_worker_of_its_queue_has_run(team: Team, before: str) -> None:
    if before != "no worker":
        with team.worker(1, "--queues", "default"):
            pass
    team.run(LATER)
    sent = team.ledger.last("sent")
    with team.worker(1):
        wait_until(lambda: team.ledger.count("start"), "the task", 20)

    assert team.ledger.last("start") - sent >= 2.9
    assert team.ledger.lost() == []
    assert time.time() - sent < 20


PREFIXES = """
import os
from redis import Redis
keys = [key.decode() for key in Redis.from_url(os.environ["CELERY_BROKER_URL"]).scan_iter()]
print(*sorted({key.partition(":")[0] for key in keys if not key.startswith(("_kombu", "unacked", "served."))}))
"""


@pytest.mark.parametrize("kind", ["redis"], indirect=True)  # RabbitMQ has vhosts
def test_two_projects_on_one_redis_do_not_take_each_other_s_tasks(team: Team) -> None:
    """And one that had no prefix does what is left by a worker without it."""
    ledger = Ledger(team.folder / "other")
    other = {"CELERY_BROKER_KEY_PREFIX": "other:", "LEDGER": str(ledger.path)}
    tasks = 300
    with team.worker(2), team.worker(2, **other):
        with (
            team.sending(tasks, 0),
            team.sending(tasks, 0, 1e6, tasks, **other),
        ):
            team.wait_until_done(60, tasks)
            wait_until(lambda: len(ledger.count("end")) == tasks, "the other project's tasks")
        team.send(50, 0, first=2 * tasks, CELERY_BROKER_KEY_PREFIX="")
        with team.worker(2, CELERY_BROKER_KEY_PREFIX=""):
            team.wait_until_done(60, tasks + 50)

    prefixes = team.run(PREFIXES).split()
    assert prefixes == ["my_project", "other"]
    assert set(team.ledger.count("end")) == {*range(tasks), *range(2 * tasks, 2 * tasks + 50)}
    assert set(ledger.count("end")) == set(range(tasks, 2 * tasks))
    assert set(team.ledger.count("end").values()) == set(ledger.count("end").values()) == {1}


LEFT = """
import os
from redis import Redis
redis = Redis.from_url(os.environ["CELERY_BROKER_URL"])
names = ("default", "unacked", "unacked_index")
print(redis.exists(*(f"my_project:{name}" for name in names)))
"""


@pytest.mark.parametrize("kind", ["redis"], indirect=True)
def test_stock_kombu_and_this_project_share_the_queues(team: Team) -> None:
    """As old and new processes do during a deployment."""
    shutil.copy(HERE / "project/stock.py", team.project.path)
    with team.worker(1) as own, team.worker(1, app="stock") as stock:
        for number, app in enumerate(["config", "stock"] * 2):
            team.send(500, 0, first=number * 500, APP=app)
        team.wait_until_done(60, 2000)
        wait_until(lambda: team.run(LEFT).strip() == "0", "the last acknowledgement", 15)
        done = [worker.output().count(" succeeded in ") for worker in (own, stock)]

    print(
        f"2000 tasks: {done[0]} by this project's worker and {done[1]} by one of stock kombu, {len(team.ledger.lost())} lost"
    )
    assert min(done) > 100
    assert set(team.ledger.count("start").values()) == {1}
    assert team.ledger.lost() == []
