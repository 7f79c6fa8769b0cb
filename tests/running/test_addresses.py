"""Addresses of a broker that are less common: a socket of Unix, a user whose password has every character, a Redis Cluster."""

import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.baking import Project
from tests.running.processes import Processes, add_tasks
from tests.running.site import Site
from tests.servers import program, redis_server, wait_until

Installed = Callable[..., Project]
TASK = """

@shared_task(ignore_result=False)
def succeed() -> str:
    return "it ran"
"""
ENCODED = "a%40b%3Ac%2Fd%23e%25f%3Fg%3Bh"  # a@b:c/d#e%f?g;h


@pytest.fixture
def processes(installed: Installed, tmp_path: Path) -> Processes:
    project = installed(tmp_path / "project", broker="redis")
    add_tasks(project, TASK)
    project.make("migrate")
    return Processes(project, tmp_path)


@pytest.mark.parametrize("address", ["socket", "user"])
def test_a_task_runs_and_its_result_is_read(processes: Processes, tmp_path: Path, address: str) -> None:
    socket = tmp_path / "redis.sock"
    (tmp_path / "users").write_text("user default off\nuser ada on >a@b:c/d#e%f?g;h ~* &* +@all\n")
    urls = {
        "socket": ("redis+socket://{socket}?virtual_host={number}", ("--unixsocket", str(socket))),
        "user": ("redis://ada:{encoded}@127.0.0.1:{port}/{number}", ("--aclfile", str(tmp_path / "users"))),
    }
    url, settings = urls[address]
    for number, variable in enumerate(("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"), 1):
        processes.environment[variable] = url.format(
            socket=socket, encoded=ENCODED, port=processes.broker, number=number
        )
    with (
        redis_server(tmp_path, processes.broker, "redis-server", *settings),
        processes.server(),
        processes.worker(),
        processes.beat(),
    ):
        assert processes.python("print(succeed.delay().get(timeout=60))").split("\n")[-2] == "it ran"
        wait_until(lambda: is_healthy(processes), "that the site sees broker, workers and beat", 60)


def is_healthy(processes: Processes) -> bool:
    with suppress(HTTPError):
        return bool(Site(processes.web).get("health/"))
    return False


def test_a_server_of_a_redis_cluster_is_refused(processes: Processes, tmp_path: Path) -> None:
    command = [program("redis-cli"), "-p", str(processes.broker), "cluster", "addslotsrange", "0", "16383"]
    processes.environment["CELERY_BROKER_URL"] = f"redis://127.0.0.1:{processes.broker}/0"
    with redis_server(tmp_path, processes.broker, "redis-server", "--cluster-enabled", "yes"):
        subprocess.run(command, check=True, capture_output=True)
        with processes.worker() as worker:
            wait_until(lambda: worker.popen.poll() is not None, "the end of the worker", 60)

    assert "names a server of a Redis Cluster, which Celery can't use" in worker.output()
    assert worker.popen.returncode != 0
