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
from celery.utils.timer2 import Timer
from celery.worker import consumer
from django.conf import settings
from kombu.exceptions import OperationalError

from background.beat.process import Service
from background.broker.connection import Connection
from background.probe import heartbeat
from background.worker.consumer import Consumer
from config import celery_app

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
    command = ["sh", str(settings.BASE_DIR / "background/probe/healthcheck.sh"), question]
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


def test_beat_touches_the_file_at_each_tick(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever class its scheduler is of, here Celery's own."""
    monkeypatch.setitem(celery_app.conf, "beat_schedule", {})
    service = Service(celery_app, scheduler_cls="celery.beat:Scheduler")
    seen: list[bool] = []

    def tick(*args: object) -> float:
        seen.append(is_fresh(file))
        make_old(file)
        service.said = "", 0.0  # as if a second had passed
        service._is_shutdown.set() if len(seen) == 3 else None
        return 0.0

    monkeypatch.setattr(service.scheduler, "tick", tick)
    service.start()

    assert seen == [True, True, True]
    assert is_fresh(file)
    assert probe("ready")[0] == 0


def test_a_process_that_connects_says_so_at_every_attempt(file: Path, free_port: int) -> None:
    connection = Connection(f"amqp://127.0.0.1:{free_port}")
    connection.on_wait = heartbeat.say_waiting
    seen: list[str] = []

    def look_and_give_up() -> None:
        seen.append(file.read_text(encoding="utf-8").strip())
        raise SystemExit

    with pytest.raises(SystemExit):
        connection.ensure_connection(callback=look_and_give_up)

    assert seen == [heartbeat.WAITING]


def test_a_process_that_only_enqueues_says_nothing(file: Path, free_port: int) -> None:
    connection = Connection(f"amqp://127.0.0.1:{free_port}")

    with pytest.raises(OperationalError):
        connection.ensure_connection(max_retries=1, interval_start=0, interval_max=0)

    assert not file.exists()


def test_a_worker_s_consumer_says_that_it_waits_and_can_be_stopped(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer.Consumer, "ensure_connected", lambda self, connection: connection)
    looks: list[bool] = []
    waiting = object.__new__(Consumer)
    waiting.controller = SimpleNamespace(soft_stop=SimpleNamespace(look=lambda: looks.append(True)))

    waiting.ensure_connected(Connection("amqp://127.0.0.1")).on_wait()

    assert file.read_text() == f"{heartbeat.WAITING}\n"
    assert looks == [True]


def test_a_worker_is_ready_from_when_it_consumes_until_its_connection_is_lost(file: Path) -> None:
    step = heartbeat.ConsumerReadiness(SimpleNamespace())
    step.start(None)
    consuming = probe("ready")[0]

    step.stop(None)

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


def test_nothing_is_written_where_no_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(heartbeat.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)

    heartbeat.say(heartbeat.READY)

    assert list(tmp_path.iterdir()) == []
    assert not heartbeat.WorkerHeartbeat(None).include_if(None)


@pytest.mark.parametrize(("namespace", "step"), [("worker", "WorkerHeartbeat"), ("consumer", "ConsumerReadiness")])
def test_the_app_s_workers_have_the_heartbeat(namespace: str, step: str) -> None:
    assert getattr(heartbeat, step) in celery_app.steps[namespace]
