"""What the fault tests share, and the table that they print at the end."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.baking import Project
from tests.running.faults.ledger import Ledger
from tests.running.faults.project.tail import Tail
from tests.servers import Process, free_port, rabbitmq_node, redis_server, running, wait_until

Installed = Callable[..., Project]
TASKS = 2000
# As compose.production.yaml starts it, but for both queues.
WORKER = "worker --include recorded --loglevel INFO --queues default,long --without-gossip --without-mingle --without-heartbeat"
HERE = Path(__file__).parent
HELD = """
import os
from redis import Redis
print(Redis.from_url(os.environ["CELERY_BROKER_URL"]).hlen("my_project:unacked"))
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder: `make test` leaves them to `make test-faults`."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker("faults")


class Broker:
    """A broker that keeps its messages on disk, and that can be stopped, started again, frozen and woken."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder, self.port = kind, folder, free_port()
        self.stack = ExitStack()
        self.process: Process

    @property
    def url(self) -> str:
        if self.kind == "rabbitmq":
            return f"amqp://faults:secret@127.0.0.1:{self.port}/faults"
        return f"redis://127.0.0.1:{self.port}/1"

    @property
    def result_backend(self) -> str:
        """Empty, for the project's database, or another database of the same Redis."""
        return "" if self.kind == "rabbitmq" else f"redis://127.0.0.1:{self.port}/2"

    def start(self) -> None:
        if self.kind == "rabbitmq":
            server = rabbitmq_node(self.folder, self.port, "faults", "secret")
        else:
            server = redis_server(self.folder, self.port, f"{self.kind}-server", "--appendonly", "yes")
        self.process = self.stack.enter_context(server)

    def stop(self) -> None:
        self.stack.close()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """While this lasts, the kernel still accepts connections for the broker, but the broker does not answer."""
        os.killpg(self.process.popen.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.popen.pid, signal.SIGCONT)


class Load:
    """The tasks of a queue that is kept full."""

    def __init__(self, tail: Tail) -> None:
        self.tail, self.done, self.sent = tail, 0, 0

    def has_done(self, tasks: int) -> bool:
        """Whether so many have come to an end."""
        self.done += self.tail.ends()
        return self.done >= tasks


class Team:
    """A baked project with a broker, and the means to send tasks and to run workers."""

    def __init__(self, project: Project, broker: Any, ledger: Ledger, folder: Path, name: str) -> None:
        self.project, self.broker, self.ledger, self.folder, self.name = project, broker, ledger, folder, name
        self.environment = {
            **project.environment,
            "DJANGO_SETTINGS_MODULE": "faults_settings",
            "CELERY_BROKER_URL": broker.url,
            "CELERY_RESULT_BACKEND": broker.result_backend,
            "LEDGER": str(ledger.path),
            "REMAP_SIGTERM": "SIGQUIT",
        }
        self.python = project.interpreter
        self.logs = 0

    def running(self, *arguments: str, **variables: str) -> AbstractContextManager[Process]:
        """Python with these arguments and variables of the environment, as a process of its own."""
        self.logs += 1
        log = self.folder / f"{self.logs}.log"
        return running([self.python, *arguments], self.project.path, {**self.environment, **variables}, log)

    @contextmanager
    def worker(self, concurrency: int = 4, *arguments: str, app: str = "config", **variables: str) -> Iterator[Process]:
        """A worker that is ready."""
        command = f"-m celery -A {app} {WORKER} --concurrency {concurrency}".split()
        with self.running(*command, "--hostname", f"worker{self.logs}@%h", *arguments, **variables) as worker:
            worker.wait_for(lambda: " ready." in worker.output(), "a worker")
            yield worker

    @contextmanager
    def sending(
        self, count: int = TASKS, seconds: float = 0.02, per_second: float = 1e6, first: int = 0, **variables: str
    ) -> Iterator[Process]:
        """A process that enqueues tasks of so many seconds, so many a second, with these variables of its environment."""
        arguments = map(str, (first, count, seconds, per_second))
        with self.running("send.py", *arguments, **variables) as sender:
            yield sender

    def send(self, count: int = TASKS, seconds: float = 0.02, first: int = 0, **variables: str) -> None:
        """Enqueue tasks of so many seconds, and wait until all are enqueued."""
        with self.sending(count, seconds, 1e6, first, **variables) as sender:
            wait_until(lambda: sender.popen.poll() is not None, "the end of the sender")
            assert sender.popen.returncode == 0, sender.output()

    @contextmanager
    def full_queue(self, waiting: int = 1000) -> Iterator["Load"]:
        """While this lasts so many tasks of no length wait: more than a worker does until it is killed or stopped."""
        for name in ("keep_full.py", "tail.py"):
            shutil.copy(HERE / "project" / name, self.project.path)
        sender = subprocess.Popen(
            [self.python, "keep_full.py", str(waiting)],
            cwd=self.project.path,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        load = Load(Tail(str(self.ledger.path)))
        try:
            yield load
        finally:
            load.sent = int(sender.communicate()[0])

    def run(self, code: str, *arguments: str) -> str:
        """Run Python code with the project's Django set up; return what it printed."""
        preface = "import django; django.setup(); import recorded\n"
        done = subprocess.run(
            [self.python, "-c", preface + code, *arguments],
            cwd=self.project.path,
            env=self.environment,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        return done.stdout

    def held(self) -> int:
        """How many messages in Redis workers hold, or have held when they were killed."""
        return int(self.run(HELD))

    def wait_until_done(self, seconds: float, tasks: int = TASKS) -> None:
        """Wait until every task has come to an end."""
        wait_until(
            lambda: len(self.ledger.count("end")) >= tasks,
            f"{tasks} tasks, of which {len(self.ledger.count('end'))} were done at first",
            seconds,
        )


@pytest.fixture(scope="session", params=["redis", "rabbitmq"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of broker."""
    return str(request.param)


def team_of(project: Project, broker: Any, folder: Path, name: str) -> Team:
    """The project with this broker, the tasks that are counted and what sends them, and its database migrated."""
    for source, target in {"recorded": "recorded", "send": "send", "settings": "faults_settings"}.items():
        shutil.copy(HERE / f"project/{source}.py", project.path / f"{target}.py")
    project.make("migrate")
    return Team(project, broker, Ledger(folder / "ledger"), folder, name)


@pytest.fixture
def team(
    kind: str,
    installed: Installed,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> Iterator[Team]:
    project = installed(tmp_path / "project", broker=kind)
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Broker(kind, folder)
    broker.start()
    team = team_of(project, broker, tmp_path, request.node.name)
    try:
        yield team
    finally:
        broker.stop()
        counts = " ".join(f"{number:6}" for number in team.ledger.row())
        record_property("tasks", f"{request.node.name:62} {counts}")
