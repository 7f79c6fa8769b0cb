"""Fixtures for tests of tasks, which are eager, or go through a real broker and a worker in a process of its own.

tests/conftest.py loads this module as a plugin of pytest, and docs/celery.md says in "Testing tasks" how to use it. Run as
a program, the same module is the worker.
"""

import email
import email.policy
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TextIO

import django
import pytest
from celery import Task, current_app
from celery.signals import before_task_publish, task_prerun, worker_ready
from celery.worker import state
from django.conf import settings
from django.core import mail
from django.db import connections
from kombu.entity import Exchange, Queue

PATIENCE = 30.0  # seconds that a worker gets; only a test that fails waits so long
HAS_BROKER = not settings.CELERY_TASK_ALWAYS_EAGER
END_OF_MAIL = b"-" * 79 + b"\n"  # as Django's file backend writes it

# The queues of this test run begin so, and its results. No dot: RabbitMQ's bindings match the words between dots, and
# those of another worker could match a word of ours.
RUN = f"tests-{uuid.uuid4().hex}"


# Eager tests


def pytest_configure() -> None:
    """Make each test eager that does not ask for the worker, also where there is a broker."""
    if HAS_BROKER:
        keep_apart(RUN)
        current_app.conf.task_store_errors_even_if_ignored = False  # as the settings have it in eager mode
        set_eager(True)


def set_eager(eager: bool) -> None:
    """Choose where tasks run that are enqueued from now on: here and at once, or in the worker."""
    settings.CELERY_TASK_ALWAYS_EAGER = current_app.conf.task_always_eager = eager


@pytest.fixture
def run() -> Callable[..., Any]:
    """Enqueue a task, wait for its end, and return what it returned or raise what it raised."""

    def enqueue_and_wait(task: Task, *args: Any, **kwargs: Any) -> Any:
        return task.apply_async(args, kwargs, ignore_result=False).get(timeout=PATIENCE, interval=0.01)

    return enqueue_and_wait


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object]], None]:
    """Wait until a condition holds, and fail when it takes longer than ``PATIENCE``. Of an eager task it holds at once."""

    def wait(condition: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "The condition did not come to hold."
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
    """Where the worker's mails are: it has no part in this process's outbox."""
    return tmp_path_factory.mktemp("mails")


@pytest.fixture
def sent_mails(mailoutbox: list[mail.EmailMessage], mail_folder: Path) -> Callable[[], list[EmailMessage]]:
    """Return the mails that have been sent in this test, by this process and by the worker, in the order of sending."""
    for file in mail_folder.iterdir():
        file.unlink()

    def read() -> list[EmailMessage]:
        files = sorted(mail_folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        mails = [part for file in files for part in file.read_bytes().split(END_OF_MAIL)[:-1]]
        mails += [message.message().as_bytes() for message in mailoutbox]
        return [email.message_from_bytes(text, policy=email.policy.default) for text in mails]

    return read


# Tests through a broker


def keep_apart(run: str) -> None:
    """Give this process queues and results of a test run's own, which no other worker reads.

    Tasks, routes and settings go on naming each queue as before, by what is now its alias.
    """
    conf = current_app.conf
    conf.task_queues = [
        Queue(
            f"{run}-{queue.name}",
            Exchange(f"{run}-{queue.exchange.name}", queue.exchange.type),
            f"{run}-{queue.routing_key}",
            alias=queue.name,
            queue_arguments=queue.queue_arguments,
        )
        for queue in conf.task_queues
    ]
    conf.result_backend_transport_options = {**conf.result_backend_transport_options, "global_keyprefix": f"{run}_"}


class WorkerProcess:
    """A worker on the test database.

    It is in the process group of the tests, so that Ctrl+C reaches both, and it ends when its standard input does: with
    the tests, even when these are killed. To each line that it is sent it answers by a line, once it has nothing to do.
    """

    def __init__(self, log: Path, mails: Path) -> None:
        self.log = log
        databases = {alias: str(connections[alias].settings_dict["NAME"]) for alias in connections}
        with log.open("wb") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "background.testing", json.dumps([RUN, databases, str(mails)])],
                cwd=Path(__file__).parents[1],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.questions, self.answers = self.popen.stdin, self.popen.stdout

    def wait_until_idle(self) -> None:
        """Wait until the worker has started, and has ended the tasks that it took.

        It fails with the worker's log when that takes too long, or when the worker has ended.
        """
        answered: object = None
        try:
            print(file=self.questions, flush=True)
            answered = select.select([self.answers], [], [], PATIENCE)[0] and self.answers.readline()
        except BrokenPipeError:
            pass
        if not answered:
            self.stop()
            pytest.fail(f"The worker has ended, or is busy for too long:\n{self.log.read_text()}", pytrace=False)

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

    The test's transactions are committed really, because the worker does not see other rows. It does not see what the
    test patches, either. Where no broker is named in the environment, the test is skipped.
    """
    begin = worker_process.log.stat().st_size
    set_eager(False)
    yield
    set_eager(True)
    current_app.control.purge()
    worker_process.wait_until_idle()  # before the database is emptied for the next test
    print(worker_process.log.read_bytes()[begin:].decode(errors="replace"))  # pytest shows it of a test that failed


@pytest.fixture(params=["eager", "worker"] if HAS_BROKER else ["eager"])
def both_modes(transactional_db: None, request: pytest.FixtureRequest) -> None:
    """Run the test eagerly and then, where a broker is named in the environment, a second time through the worker."""
    if request.param == "worker":
        request.getfixturevalue("worker")


# The worker


def serve(run: str, databases: dict[str, str], mails: str) -> None:
    """Be the worker of a test run: with the settings of the tests, on their databases, writing mails into a folder."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the worker prints belongs to its log
    django.setup()
    for alias, name in databases.items():
        connections.settings[alias]["NAME"] = name
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = mails
    keep_apart(run)
    current_app.conf.update(
        worker_enable_remote_control=False,  # other workers on the broker would hear it
        worker_soft_shutdown_timeout=0,  # what still runs when the tests are over is not waited for
        worker_enable_soft_shutdown_on_idle=False,
    )

    def answer(**kwargs: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C ends the tests, and these end the worker
        threading.Thread(target=answer_when_idle, args=(answers,), daemon=True).start()

    worker_ready.connect(answer)
    # One process, so that tasks are done in the order in which they were enqueued.
    options = ["--concurrency", "1", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    try:
        current_app.worker_main(["worker", "--loglevel", "INFO", "--hostname", f"{run}@%h", *options])
    finally:
        remove_own(run)


def answer_when_idle(answers: TextIO) -> None:
    """Answer each line of standard input once no task is left here.

    Stop the worker when its input ends, when nobody reads the answer, or when a task does not end.
    """
    try:
        for _ in sys.stdin:
            end = time.monotonic() + PATIENCE
            while state.reserved_requests:
                if time.monotonic() > end:
                    return
                time.sleep(0.005)
            print(file=answers, flush=True)
    finally:
        os.kill(os.getpid(), signal.SIGQUIT)


def remove_own(run: str) -> None:
    """Delete the queues and the results that ``keep_apart`` has named."""
    with current_app.connection_for_write() as connection:
        for queue in current_app.amqp.queues.values():
            own = queue(connection.default_channel)
            own.declare()  # Redis forgets only the queue that this connection knows
            own.delete()
            own.exchange.delete()
    if current_app.conf.result_backend.startswith("redis"):
        client = current_app.backend.client
        for key in client.scan_iter(f"{run}*"):
            client.delete(key)


if __name__ == "__main__":
    serve(*json.loads(sys.argv[1]))
