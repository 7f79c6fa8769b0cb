"""A process of the pool that has ended is replaced when it ends, and its successor has all that it needs."""

import shutil
import time
from functools import partial

import pytest

from tests.running.faults.conftest import HERE, Team
from tests.servers import wait_until

TASKS = 100
CANCELLED = 6
LONG = "print(recorded.work.delay(-1, 20).id)"
CANCEL = """
import contextlib, socket, sys
from background.overview.control import WorkerSilentError, cancel
from config.celery import app
with contextlib.suppress(WorkerSilentError):  # it may answer late
    cancel(app, f"one@{socket.gethostname()}", sys.argv[1])
"""


@pytest.fixture
def team_without_timer(team: Team) -> Team:
    shutil.copy(HERE / "project/without_timer.py", team.project.path)
    return team


def test_a_process_that_has_run_its_tasks_is_replaced(team_without_timer: Team) -> None:
    team = team_without_timer
    team.send(TASKS, 0)

    begin = time.monotonic()
    with team.worker(1, "--max-tasks-per-child", "1", app="without_timer"):
        team.wait_until_done(120, TASKS)

    print(f"{TASKS} tasks, each in a process of its own, in {time.monotonic() - begin:.1f} s")
    assert set(team.ledger.count("end")) == set(range(TASKS))


def test_the_process_of_a_cancelled_task_is_replaced(team_without_timer: Team) -> None:
    """Again and again, as only one end in two was missed."""
    team = team_without_timer
    with team.worker(1, "--hostname", "one@%h", app="without_timer"):
        for number in range(CANCELLED):
            task_id = team.run(LONG).strip()
            wait_until(partial(has_begun, team, number + 1), "the task")
            team.run(CANCEL, task_id)
            team.send(1, 0, first=number)
            team.wait_until_done(60, number + 1)

    assert team.ledger.count("start")[-1] == CANCELLED
    assert -1 not in team.ledger.count("end")


@pytest.mark.parametrize("kind", ["redis"], indirect=True, scope="session")
def test_a_process_that_begins_while_its_worker_writes_has_the_database(team: Team) -> None:
    """SQLite's locks are copied with the process, and nobody would open the copies."""
    shutil.copy(HERE / "project/always_reporting.py", team.project.path)
    team.run(f"for number in range({TASKS}): recorded.ask_database.delay(number); recorded.note('sent', number)")
    with team.worker(2, "--max-tasks-per-child", "1", app="always_reporting") as worker:
        team.wait_until_done(120, TASKS)

    print(f"{TASKS} tasks, each in a process of its own that began while its worker wrote")
    assert "database is locked" not in worker.output()


def has_begun(team: Team, times: int) -> bool:
    return team.ledger.count("start")[-1] == times
