"""Of a task that says so, one run at a time, also if the worker that runs it is killed.

``ALONE_KILLS`` says how often: a few times in CI, more by ``make test-kills``.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise

from tests.running.faults.conftest import HERE, Team
from tests.servers import Process, children, wait_until

KILLS = int(os.environ.get("ALONE_KILLS", "2"))
STARTERS, WORKERS = 50, 4
STUCK = 15.0  # seconds


@contextmanager
def starters(team: Team) -> Iterator[None]:
    """While this lasts, many threads start the task again and again."""
    shutil.copy(HERE / "project/start_alone.py", team.project.path)
    command = [team.python, "start_alone.py", str(STARTERS)]
    sender = subprocess.Popen(command, cwd=team.project.path, env=team.environment, stdin=subprocess.PIPE)
    try:
        yield
    finally:
        sender.communicate()


def runs(team: Team) -> int:
    return len(team.ledger.count("end"))


def some_more_run(team: Team) -> None:
    done = runs(team)
    wait_until(lambda: runs(team) > done + 3, "runs", 60)


def holder(team: Team, workers: list[Process]) -> Process:
    """The worker that has begun the last run."""
    process = [line.number for line in team.ledger.lines() if line.event == "process"][-1]
    return next(worker for worker in workers if process in children(worker))


def test_one_runs_at_a_time_whichever_worker_is_killed(team: Team) -> None:
    with ExitStack() as stack:
        workers = [stack.enter_context(team.worker(1)) for _ in range(WORKERS)]
        stack.enter_context(starters(team))
        for _ in range(KILLS):
            some_more_run(team)
            killed = holder(team, workers)
            os.killpg(killed.popen.pid, signal.SIGKILL)
            workers.remove(killed)
            workers.append(stack.enter_context(team.worker(1)))
        some_more_run(team)

    starts = sorted(line.at for line in team.ledger.lines() if line.event == "start")
    longest = max(later - earlier for earlier, later in pairwise(starts))
    skipped = sum(log.read_text().count(" is skipped: ") for log in team.folder.glob("*.log"))
    print(f"{KILLS} kills, {len(starts)} runs, {skipped} skipped; the longest time without a start {longest:.1f} s")
    assert team.ledger.count("beside") == {}
    assert skipped > len(starts)
    assert longest < STUCK
