"""A process of the pool that has ended is replaced when it ends."""

import shutil
import time
from functools import partial

import pytest

from tests.running.faults.conftest import HERE, Team
from tests.servers import wait_until

TASKS = 40
CANCELLED = 6
LONG = "print(recorded.work.delay(-1, 20).id)"
CANCEL = """
import socket, sys
from background.overview.control import cancel
from config.celery import app
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


def has_begun(team: Team, times: int) -> bool:
    return team.ledger.count("start")[-1] == times
