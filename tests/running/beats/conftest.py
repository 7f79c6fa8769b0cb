"""Beats of a baked project on one database, and a watcher that says which of them sent what, and when."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.baking import Project
from tests.servers import Process, free_port, postgresql, redis, running, wait_until

Installed = Callable[..., Project]
HERE = Path(__file__).parent

# An entry for each of the coming seconds, which is to run once, and one that runs every two seconds.
ENTRIES = """
import sys
from datetime import datetime, timedelta, UTC
from django_celery_beat.models import ClockedSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks
first, count = datetime.fromtimestamp(float(sys.argv[1]), UTC), int(sys.argv[2])
task = "background.tasks.delete_old_records"
for number in range(count):
    moment = ClockedSchedule.objects.create(clocked_time=first + timedelta(seconds=number))
    PeriodicTask.objects.create(name=f"moment-{number}", task=task, clocked=moment, one_off=True)
two = IntervalSchedule.objects.create(every=2, period="seconds")
PeriodicTask.objects.create(name="often", task=task, interval=two)
"""


@dataclass(frozen=True)
class Sent:
    """One message: of which entry, from which process, and when, in seconds since 1970."""

    name: str
    process: int
    at: float


class Link:
    """A way to a port on loopback that can be cut, or that can go silent."""

    def __init__(self, target: int) -> None:
        self.target, self.port = target, free_port()
        self.sockets: set[socket.socket] = set()
        self.flows = threading.Event()
        self.listening: socket.socket | None = None
        self.mend()

    def mend(self) -> None:
        """Let new connections through, and go on with those that were silent."""
        self.flows.set()
        if self.listening is None:
            self.listening = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=(self.listening,), daemon=True).start()

    def silence(self) -> None:
        """Keep the connections, accept new ones, and carry nothing."""
        self.flows.clear()

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        if self.listening is not None:
            self.listening.shutdown(socket.SHUT_RDWR)
            self.listening.close()
            self.listening = None
        for connection in self.sockets.copy():
            self._close(connection)

    def _close(self, connection: socket.socket) -> None:
        self.sockets.discard(connection)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                near = listening.accept()[0]
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            self.sockets |= {near, far}
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self.flows.wait()
                target.sendall(data)
        except OSError:
            pass
        self._close(source)
        self._close(target)


class Beats:
    """A project whose schedule is in a database of its own, and whose messages a watcher takes from a Redis of its own."""

    def __init__(self, project: Project, broker: int, database: str, folder: Path) -> None:
        self.project, self.folder, self.database = project, folder, database
        self.environment = {
            **project.environment,
            "CELERY_BROKER_URL": f"redis://127.0.0.1:{broker}/1",
            "CELERY_RESULT_BACKEND": f"redis://127.0.0.1:{broker}/2",
            "DATABASE_URL": database,
            "DJANGO_SETTINGS_MODULE": "config.settings.development",
        }
        self.python = project.interpreter
        self.first, self.moments = 0.0, 0
        self.logs = 0

    @contextmanager
    def process(self, *arguments: str, **variables: str) -> Iterator[Process]:
        """Python with these arguments."""
        self.logs += 1
        log = self.folder / f"{self.logs}.log"
        environment = {**self.environment, **variables}
        with running([self.python, *arguments], self.project.path, environment, log) as process:
            yield process

    @contextmanager
    def beat(self, **variables: str) -> Iterator[Process]:
        """A beat that leads or stands by."""
        command = ["-m", "celery", "-A", "config", "beat", "--loglevel", "INFO", "--pidfile="]
        with self.process(*command, **variables) as beat:
            beat.wait_for(lambda: "This beat" in beat.output(), "a beat")
            yield beat

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments to its end; what it printed, errors too, is in ``stdout``."""
        return self.project.run(self.python, *arguments, check=check, **self.environment)

    def code(self, code: str, *arguments: str) -> str:
        """Run Python code with the project's Django set up; return what it printed."""
        return self.run("-c", f"import django; django.setup()\n{code}", *arguments).stdout

    def schedule(self, moments: int, ahead: float = 8.0) -> None:
        """Make an entry for each of so many seconds, the first of them ``ahead`` seconds from now."""
        self.first, self.moments = time.time() + ahead, moments
        self.code(ENTRIES, str(self.first), str(moments))

    def sent(self) -> list[Sent]:
        """What was sent so far."""
        complete = (self.folder / "sent").read_text().rpartition("\n")[0]
        return [Sent(*json.loads(line)) for line in complete.splitlines()]

    def sent_by(self, beat: Process, since: float) -> list[Sent]:
        """What a beat has sent after a moment."""
        return [sent for sent in self.sent() if sent.process == beat.popen.pid and sent.at > since]

    def wait_until_all_are_due(self) -> None:
        """Wait until the moment of the last entry is over by three seconds."""
        wait_until(lambda: time.time() > self.first + self.moments + 3, "the last moment", 200)

    def times(self) -> Counter[str]:
        """How often each entry with a moment of its own was sent."""
        return Counter(sent.name for sent in self.sent() if sent.name.startswith("moment-"))

    def missed(self) -> list[str]:
        return sorted({f"moment-{number}" for number in range(self.moments)} - self.times().keys())

    def twice(self) -> dict[str, float]:
        """When the entries that were sent more than once were due."""
        return {
            name: self.first + int(name.removeprefix("moment-")) for name, times in self.times().items() if times > 1
        }

    def seconds_to_the_next_leader(self, since: float, *former: Process) -> float:
        """How long after a moment another process sent for the first time."""
        others = {beat.popen.pid for beat in former}
        return min(sent.at for sent in self.sent() if sent.at > since and sent.process not in others) - since


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a PostgreSQL for all tests."""
    with postgresql(tmp_path_factory.mktemp("postgresql")) as port:
        yield port


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def beats(database: str, installed: Installed, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Beats]:
    """A migrated project and its watcher."""
    with ExitStack() as stack:
        project = installed(tmp_path / "project", broker="redis", database=database)
        url = f"sqlite:///{tmp_path}/db.sqlite3"
        if database == "postgresql":
            name = f"beats_{os.urandom(4).hex()}"
            url = f"postgresql://postgres@127.0.0.1:{request.getfixturevalue('server')}/{name}"
        beats = Beats(project, stack.enter_context(redis(tmp_path)), url, tmp_path)
        if database == "postgresql":
            beats.environment["DATABASE_URL"] = url.replace(name, "postgres")
            beats.code(f"from django.db import connection; connection.cursor().execute('CREATE DATABASE {name}')")
            beats.environment["DATABASE_URL"] = url
        beats.run("manage.py", "migrate", "--verbosity", "0")
        shutil.copy(HERE / "project/watch.py", project.path / "watch.py")
        watcher = stack.enter_context(beats.process("watch.py", str(tmp_path / "sent")))
        watcher.wait_for(lambda: "watching" in watcher.output(), "the watcher")
        yield beats


@pytest.fixture
def report(
    beats: Beats, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Callable[..., None]:
    """Note what is printed in the table at the end."""

    def add(seconds: float | None = None) -> None:
        numbers = (beats.moments, sum(beats.times().values()), len(beats.twice()), len(beats.missed()))
        due, sent, twice, missed = numbers
        after = "" if seconds is None else f"{seconds:.1f} s"
        row = f"{request.node.name:62} {due:5} {sent:5} {twice:5} {missed:6} {after:>12}"
        record_property("runs of the schedule", row)

    return add


def freeze(process: Process) -> None:
    os.killpg(process.popen.pid, signal.SIGSTOP)


def wake(process: Process) -> None:
    os.killpg(process.popen.pid, signal.SIGCONT)


def kill(process: Process) -> None:
    os.killpg(process.popen.pid, signal.SIGKILL)
    process.popen.wait()
