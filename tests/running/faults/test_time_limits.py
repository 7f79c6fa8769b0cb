"""What a worker keeps of the time limits of its tasks."""

from tests.running.faults.conftest import Team
from tests.servers import wait_until

TASKS = 3000
ENTRIES = """
from config.celery import app
[answer] = app.control.broadcast("timer_entries", reply=True, timeout=10, limit=1)
print(*answer.values())
"""
TOO_LONG = "recorded.work.apply_async((-1, 60), soft_time_limit=6, time_limit=8)\n"


def test_a_worker_forgets_the_time_limits_of_tasks_that_have_ended(team: Team) -> None:
    """And keeps those of the others: a task that takes too long is ended."""
    team.run(TOO_LONG)
    team.send(TASKS, 0)
    with team.worker(2) as worker:
        team.wait_until_done(60, TASKS)
        entries = int(team.run(ENTRIES))
        wait_until(
            lambda: "Soft time limit (6s) exceeded" in worker.output(), "the end of the task that takes too long"
        )

    print(f"{TASKS} tasks with time limits, {entries} entries in the worker's timer")
    assert entries < TASKS / 2
    assert set(team.ledger.count("end")) == set(range(TASKS))
