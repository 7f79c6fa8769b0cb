"""The file that a container's probe looks at is fresh while a worker or beat is alive, and gone after its stop."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery import Celery
from celery.beat import Service
from celery.utils.timer2 import Timer

from background import heartbeat

WaitUntil = Callable[[Callable[[], object]], None]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "heartbeat"
    monkeypatch.setenv(heartbeat.VARIABLE, str(path))
    return path


def make_old(file: Path) -> None:
    os.utime(file, (0, 0))


def is_fresh(file: Path) -> bool:
    return file.exists() and file.stat().st_mtime > 0


def test_a_worker_touches_the_file_again_and_again(
    file: Path, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.01)
    parent = SimpleNamespace(timer=Timer())
    step = heartbeat.WorkerHeartbeat(parent)
    step.start(parent)
    for _ in range(2):
        make_old(file)
        wait_until(lambda: is_fresh(file))
    parent.timer.stop()
    step.stop(parent)

    assert not file.exists()


def test_beat_touches_the_file_at_each_tick(file: Path) -> None:
    service = Service(Celery(set_as_current=False), scheduler_cls="celery.beat:Scheduler")
    heartbeat.touch_at_each_tick(service)
    file.touch()
    make_old(file)

    service.scheduler.tick()

    assert is_fresh(file)


def test_a_worker_process_touches_the_file_that_its_environment_names(file: Path, wait_until: WaitUntil) -> None:
    """kombu's in-memory broker is enough to start a worker, though no other process reaches it."""
    command = [sys.executable, "-m", "celery", "--app", "config", "worker", "--pool", "solo"]
    environment = {**os.environ, "CELERY_BROKER_URL": "memory://", "CELERY_RESULT_BACKEND": ""}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as worker:
        try:
            wait_until(file.exists)
        finally:
            worker.kill()


def test_nothing_is_installed_where_no_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(heartbeat.VARIABLE, raising=False)
    app = Celery(set_as_current=False)

    heartbeat.install(app)

    assert heartbeat.WorkerHeartbeat not in app.steps["worker"]
