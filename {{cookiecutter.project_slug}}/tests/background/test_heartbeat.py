"""The file that a container's probe looks at is fresh while a worker or beat is alive, and gone after its stop."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery import Celery
from celery.beat import Service
from celery.utils.timer2 import Timer
from django.conf import settings
from kombu.connection import Connection

from background import heartbeat

WaitUntil = Callable[[Callable[[], object]], None]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "heartbeat"
    monkeypatch.setenv(heartbeat.VARIABLE, str(path))
    return path


@pytest.fixture
def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_old(file: Path) -> None:
    os.utime(file, (0, 0))


def is_fresh(file: Path) -> bool:
    return file.exists() and file.stat().st_mtime > 0


def probe(question: str) -> tuple[int, str]:
    """The exit status of a container's probe, and what it says."""
    command = ["sh", str(settings.BASE_DIR / "background/healthcheck.sh"), question]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.strip()


def test_a_process_that_has_not_started_is_neither_alive_nor_ready(file: Path) -> None:
    assert probe("live") == (1, "not live: the process has not started, or has ended")
    assert probe("ready") == (1, "not ready: the process has not started, or has ended")


def test_a_process_that_waits_for_the_broker_is_alive_but_not_ready(file: Path) -> None:
    heartbeat.say(heartbeat.WAITING)

    assert probe("live") == (0, "live: waiting for the broker")
    assert probe("ready") == (1, "not ready: waiting for the broker")


def test_a_process_that_works_is_alive_and_ready(file: Path) -> None:
    heartbeat.say(heartbeat.READY)

    assert probe("live") == (0, "live: ready")
    assert probe("ready") == (0, "ready: ready")


def test_a_process_that_hangs_is_neither_alive_nor_ready(file: Path) -> None:
    heartbeat.say(heartbeat.READY)
    make_old(file)

    assert probe("live") == (1, "not live: the process has hung for more than 30 seconds")
    assert probe("ready") == (1, "not ready: the process has hung for more than 30 seconds")


def test_the_question_that_ends_a_container_is_answered_as_the_first_one_is(file: Path) -> None:
    heartbeat.say(heartbeat.WAITING)
    waiting = probe("live-or-end")
    since = time.time() - 40  # not the 60 seconds after which processes are killed: these tests can be in a container
    os.utime(file, (since, since))

    assert waiting == (0, "live: waiting for the broker")
    assert probe("live-or-end") == (1, "not live: the process has hung for more than 30 seconds")


def test_a_probe_must_be_asked_something(file: Path) -> None:
    heartbeat.say(heartbeat.READY)

    assert probe("")[0] == 1


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
    heartbeat.say_at_each_tick(service)
    heartbeat.say(heartbeat.WAITING)
    make_old(file)

    service.scheduler.tick()

    assert is_fresh(file)
    assert probe("ready")[0] == 0


def test_a_process_that_connects_says_so_at_every_attempt(file: Path, free_port: int) -> None:
    connection = heartbeat.say_while_connecting(Connection(f"amqp://127.0.0.1:{free_port}"))
    seen: list[str] = []

    def look_and_give_up() -> None:
        seen.append(file.read_text(encoding="utf-8").strip())
        raise SystemExit

    with pytest.raises(SystemExit):
        connection.ensure_connection(callback=look_and_give_up)

    assert seen == [heartbeat.WAITING]


def test_a_worker_is_ready_from_when_it_consumes_until_its_connection_is_lost(file: Path) -> None:
    consumer = SimpleNamespace(ensure_connected=lambda connection: connection)
    step = heartbeat.ConsumerReadiness(consumer)

    step.start(consumer)
    consuming = probe("ready")[0]
    step.stop(consumer)

    assert (consuming, probe("ready")[0], probe("live")[0]) == (0, 1, 0)


def test_a_worker_process_comes_to_be_ready(file: Path, wait_until: WaitUntil) -> None:
    """kombu's in-memory broker is enough to start a worker, though no other process reaches it."""
    command = [sys.executable, "-m", "celery", "--app", "config", "worker", "--pool", "solo"]
    environment = {**os.environ, "CELERY_BROKER_URL": "memory://", "CELERY_RESULT_BACKEND": ""}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as worker:
        try:
            wait_until(lambda: probe("ready")[0] == 0)
        finally:
            worker.kill()


def test_nothing_is_installed_where_no_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(heartbeat.VARIABLE, raising=False)
    app = Celery(set_as_current=False)

    heartbeat.install(app)

    assert heartbeat.WorkerHeartbeat not in app.steps["worker"]
    assert heartbeat.ConsumerReadiness not in app.steps["consumer"]
