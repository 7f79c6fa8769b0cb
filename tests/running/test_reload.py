"""A worker that restarts when the code changes loses no task, whatever the change and however long the task."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.baking import MAKE, Project
from tests.servers import Process, redis, running, wait_until

Installed = Callable[..., Project]
# Far below the visibility timeout of 900 seconds: what is done by then did not have to wait for it.
SOON = 90.0  # seconds
TASK = """

@shared_task
def note(file: str, name: str, seconds: float) -> None:
    with open(file, "a") as notes:
        print("begun", name, file=notes)
    time.sleep(seconds)
    with open(file, "a") as notes:
        print("done", name, VERSION, file=notes)
"""


class Developer:
    """Somebody who enqueues tasks and edits base/tasks.py while the project's worker runs."""

    def __init__(self, project: Project, worker: Process, notes: Path) -> None:
        self.project, self.worker, self.notes = project, worker, notes
        self.code = project.path / "base/tasks.py"

    def enqueue(self, names: list[str], seconds: float) -> None:
        send = f"from base.tasks import note\nfor name in {names}: note.delay({str(self.notes)!r}, name, {seconds})"
        self.project.python(send)

    def noted(self, what: str) -> list[str]:
        """The rest of the lines of the notes that begin with ``what``."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [line.removeprefix(f"{what} ") for line in lines if line.startswith(f"{what} ")]

    def done(self) -> set[str]:
        return {line.split()[0] for line in self.noted("done")}

    def replace(self, old: str, new: str) -> None:
        self.code.write_text(self.code.read_text().replace(old, new))

    def starts(self) -> int:
        """How many workers have been ready so far."""
        return self.worker.output().count(" ready.")


@pytest.fixture
def developer(installed: Installed, tmp_path: Path) -> Iterator[Developer]:
    with redis(tmp_path) as port:
        project = installed(tmp_path / "project", broker="redis")
        project.set_env(CELERY_BROKER_URL=f"redis://127.0.0.1:{port}/1", CELERY_RESULT_BACKEND="")
        code = project.path / "base/tasks.py"
        code.write_text(code.read_text() + "\nVERSION = 1\n" + TASK)
        project.make("migrate")
        with running([*MAKE, "worker"], project.path, project.environment, tmp_path / "worker.log") as worker:
            developer = Developer(project, worker, tmp_path / "notes")
            worker.wait_for(developer.starts, "a worker")
            yield developer


def test_a_change_of_the_code_loses_no_task(developer: Developer) -> None:
    short, long = [f"short{n}" for n in range(40)], ["long0", "long1"]
    developer.enqueue(long[:1], 20)  # seconds; the worker gets one
    developer.enqueue(short, 0.2)
    developer.enqueue(long[1:], 20)
    wait_until(lambda: "long0" in developer.noted("begun") and developer.done(), "the first tasks")

    developer.replace("VERSION = 1", "VERSION = 2")
    wait_until(lambda: developer.starts() == 2, "the worker with the changed code")
    wait_until(lambda: developer.done() == {*short, *long}, "every task", SOON)

    assert Counter(developer.noted("begun"))["long0"] == 2
    assert "long0 2" in developer.noted("done")


def test_a_syntax_error_is_survived_and_loses_no_task(developer: Developer) -> None:
    names = [f"task{n}" for n in range(20)]
    developer.enqueue(names, 0.5)
    wait_until(developer.done, "the first task")

    developer.replace("VERSION = 1", "VERSION = (")
    wait_until(lambda: "SyntaxError" in developer.worker.output(), "the worker's end")
    assert developer.done() < set(names)

    developer.replace("VERSION = (", "VERSION = 3")
    wait_until(lambda: developer.done() == set(names), "every task", SOON)

    assert developer.worker.popen.poll() is None


def test_stopping_the_worker_puts_its_tasks_back_at_once(developer: Developer, tmp_path: Path) -> None:
    developer.enqueue(["long"], 20)
    wait_until(lambda: "long" in developer.noted("begun"), "the task's begin")
    developer.worker.stop()

    with running([*MAKE, "worker"], developer.project.path, developer.project.environment, tmp_path / "again.log"):
        wait_until(lambda: developer.done() == {"long"}, "the task", SOON)
