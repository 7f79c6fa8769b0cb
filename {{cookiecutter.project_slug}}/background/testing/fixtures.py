"""Fixtures for tests of tasks, which run eagerly, or through a real broker and a worker in a process of its own.

The project's conftest.py loads this module as a plugin of pytest, and docs/testing.md says how to use it.
"""

import email
import email.policy
import json
import select
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from celery import Task, current_app
from celery.signals import before_task_publish, task_prerun
from django.conf import settings
from django.core import mail
from django.db import connections

from background.testing.queues import keep_apart

PATIENCE = 30.0  # seconds that a worker gets; only a test that fails waits so long
HAS_BROKER = not settings.CELERY_TASK_ALWAYS_EAGER
END_OF_MAIL = b"-" * 79 + b"\n"  # as Django's file backend writes it

# The names of this test run's queues and results begin with this. It has no dot, because RabbitMQ's bindings match the
# words between dots, and those of another worker could match one of these words.
RUN = f"tests-{uuid.uuid4().hex}"


# Eager tests


def pytest_configure() -> None:
    """Make each test eager that does not ask for the worker, even if a broker is configured."""
    if HAS_BROKER:
        keep_apart(RUN)
        current_app.conf.task_store_errors_even_if_ignored = False  # as the settings have it in eager mode
        set_eager(True)


def set_eager(eager: bool) -> None:
    """Choose where tasks run from now on: here and at once, or in the worker."""
    settings.CELERY_TASK_ALWAYS_EAGER = current_app.conf.task_always_eager = eager


@pytest.fixture
def run() -> Callable[..., Any]:
    """Enqueue a task, wait for its end, and return what it returned or raise what it raised."""

    def enqueue_and_wait(task: Task, *args: Any, **kwargs: Any) -> Any:
        return task.apply_async(args, kwargs, ignore_result=False).get(timeout=PATIENCE, interval=0.01)

    return enqueue_and_wait


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object]], None]:
    """Wait until a condition holds, and fail after ``PATIENCE``. After an eager task it holds at once."""

    def wait(condition: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "The condition was not met in time."
            time.sleep(0.01)

    return wait


@pytest.fixture
def enqueued() -> Iterator[list[str]]:
    """The ids of the tasks that the test has enqueued. An eager task is noted when it starts."""
    ids: list[str] = []

    def note(task_id: str = "", headers: dict[str, Any] | None = None, **kwargs: Any) -> None:
        ids.append(headers["id"] if headers else task_id)

    signals = (task_prerun, before_task_publish)
    for each in signals:
        each.connect(note)
    yield ids
    for each in signals:
        each.disconnect(note)


@pytest.fixture(scope="session")
def mail_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the worker's mails. The worker can't write to this process's outbox."""
    return tmp_path_factory.mktemp("mails")


@pytest.fixture
def sent_mails(mailoutbox: list[mail.EmailMessage], mail_folder: Path) -> Callable[[], list[EmailMessage]]:
    """Return the mails that this process and the worker have sent in this test, in the order of sending."""
    for file in mail_folder.iterdir():
        file.unlink()

    def read() -> list[EmailMessage]:
        files = sorted(mail_folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        mails = [part for file in files for part in file.read_bytes().split(END_OF_MAIL)[:-1]]
        mails += [message.message().as_bytes() for message in mailoutbox]
        return [email.message_from_bytes(text, policy=email.policy.default) for text in mails]

    return read


# Tests through a broker


class WorkerProcess:
    """A worker on the test database.

    It is in the process group of the tests, so Ctrl+C reaches both. It ends when its standard input does: with the
    tests, even if these are killed. It answers each line with a line as soon as it is idle.
    """

    def __init__(self, log: Path, mails: Path) -> None:
        self.log = log
        databases = {alias: str(connections[alias].settings_dict["NAME"]) for alias in connections}
        with log.open("wb") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "background.testing.worker", json.dumps([RUN, databases, str(mails)])],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.questions, self.answers = self.popen.stdin, self.popen.stdout

    def wait_until_idle(self) -> None:
        """Wait until the worker has started, and has finished the tasks that it took.

        It fails with the worker's log if that takes too long, or if the worker has exited.
        """
        answered: object = None
        try:
            print(file=self.questions, flush=True)
            answered = select.select([self.answers], [], [], PATIENCE)[0] and self.answers.readline()
        except BrokenPipeError:
            pass
        if not answered:
            self.stop()
            pytest.fail(f"The worker has exited, or has been busy for too long:\n{self.log.read_text()}", pytrace=False)

    def stop(self) -> None:
        """End the worker, which removes its queues."""
        self.questions.close()
        try:
            self.popen.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.answers.close()


@pytest.fixture(scope="session")
def worker_process(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory, mail_folder: Path
) -> Iterator[WorkerProcess]:
    """The one worker of this test run. It starts when the first test asks for it."""
    if not HAS_BROKER:
        pytest.skip("To run this through a worker, set CELERY_BROKER_URL, for example to redis://localhost:6379/9.")
    process = WorkerProcess(tmp_path_factory.mktemp("worker") / "log", mail_folder)
    try:
        process.wait_until_idle()
        yield process
    finally:
        process.stop()


@pytest.fixture
def worker(worker_process: WorkerProcess, transactional_db: None) -> Iterator[None]:
    """Send the tasks of this test to the broker, from which a worker in another process takes them.

    The test's transactions are really committed, because the worker sees only committed rows. It does not see what the
    test patches. What is written into the outbox is sent, as by a beat. If the environment names no broker, the test is
    skipped.
    """
    from background.outbox.relay import Relay  # here, because it needs models

    begin = worker_process.log.stat().st_size
    set_eager(False)
    relay = Relay(current_app, leads=lambda: True)
    relay.start()
    yield
    relay.stop()
    set_eager(True)
    current_app.control.purge()
    worker_process.wait_until_idle()  # before the database is emptied for the next test
    print(worker_process.log.read_bytes()[begin:].decode(errors="replace"))  # pytest shows it of a test that failed


@pytest.fixture(params=["eager", "worker"] if HAS_BROKER else ["eager"])
def both_modes(transactional_db: None, request: pytest.FixtureRequest) -> None:
    """Run the test eagerly and, if the environment names a broker, a second time through the worker."""
    if request.param == "worker":
        request.getfixturevalue("worker")
