"""What a container's probe says of a real worker and beat, while the broker goes and comes back, and when they hang."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.baking import UV, Project
from tests.servers import Process, free_port, redis_server, running, wait_until

Installed = Callable[..., Project]
STALE_SECONDS = 30.0  # what the probe allows


class Probed:
    """A process of a project's, with the file that its probe looks at."""

    def __init__(self, project: Project, process: Process, file: Path) -> None:
        self.project, self.process, self.file = project, process, file

    def is_(self, question: str) -> bool:
        """Whether the probe, asked for ``live`` or ``ready``, exits with 0."""
        environment = {"PATH": os.environ["PATH"], "CELERY_HEARTBEAT_FILE": str(self.file)}
        command = ["sh", "background/probe/healthcheck.sh", question]
        return subprocess.run(command, cwd=self.project.path, env=environment, capture_output=True).returncode == 0

    def signal(self, number: signal.Signals) -> None:
        os.killpg(self.process.popen.pid, number)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def processes(installed: Installed, tmp_path: Path, port: int) -> Iterator[dict[str, Probed]]:
    """A worker and a beat that has something due at each second, started before the broker."""
    project = installed(tmp_path / "project", broker="redis")
    project.set_env(CELERY_BROKER_URL=f"redis://127.0.0.1:{port}/1", CELERY_RESULT_BACKEND="")
    project.make("migrate")
    project.python(
        "from django_celery_beat.models import IntervalSchedule as I, PeriodicTask as P\n"
        "every = I.objects.create(every=1, period='seconds')\n"
        "P.objects.create(name='often', task='background.tasks.delete_old_records', interval=every)"
    )
    commands = {"worker": ["worker", "--concurrency", "1"], "beat": ["beat", "--pidfile="]}
    with ExitStack() as stack:
        probed = {}
        for name, arguments in commands.items():
            file = tmp_path / f"{name}.heartbeat"
            command = [UV, "run", "celery", "-A", "config", *arguments, "--loglevel", "INFO"]
            environment = {
                **project.environment,
                "CELERY_HEARTBEAT_FILE": str(file),
                "DJANGO_SETTINGS_MODULE": "config.settings.development",
            }
            process = stack.enter_context(running(command, project.path, environment, tmp_path / f"{name}.log"))
            probed[name] = Probed(project, process, file)
        yield probed


def test_only_a_hang_is_a_reason_to_be_killed(processes: dict[str, Probed], tmp_path: Path, port: int) -> None:
    everyone = processes.values()
    worker = processes["worker"]

    def all_are(question: str) -> bool:
        return all(process.is_(question) for process in everyone)

    def the_worker_stays_alive_without_a_broker() -> None:
        wait_until(lambda: all_are("live") and not worker.is_("ready"), "that the worker waits for the broker")
        end = time.monotonic() + 1.2 * STALE_SECONDS
        while time.monotonic() < end:
            assert all_are("live")
            assert not worker.is_("ready")
            time.sleep(1)

    the_worker_stays_alive_without_a_broker()
    assert not processes["beat"].is_("ready")  # it has something to send, and no broker

    with redis_server(tmp_path, port, "redis-server"):
        wait_until(lambda: all_are("ready"), "that worker and beat have the broker")
    the_worker_stays_alive_without_a_broker()

    with redis_server(tmp_path, port, "redis-server"):
        wait_until(lambda: all_are("ready"), "that worker and beat have the broker again")
        for process in everyone:
            process.signal(signal.SIGSTOP)
        try:
            wait_until(lambda: not any(process.is_("live") for process in everyone), "that the hang is noticed")
        finally:
            for process in everyone:
                process.signal(signal.SIGCONT)
        wait_until(lambda: all_are("live"), "signs of life again")
