"""A beat that is asked to stop finishes its work, and one that can't start says why."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from celery.apps import beat as program
from django.test import override_settings

from config.celery import app


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Leave the handlers of these tests' own process as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Service:
    """As Celery's, and a second signal arrives while it is asked to stop."""

    def __init__(self) -> None:
        self.stopped = 0

    def stop(self) -> None:
        self.stopped += 1
        signal.raise_signal(signal.SIGINT)


def test_a_signal_does_no_more_than_ask_beat_to_stop_and_asks_once() -> None:
    service = Service()
    app.Beat().install_sync_handler(service)
    signal.raise_signal(signal.SIGTERM)

    assert service.stopped == 1


def start(eager: bool, debug: bool, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Start a beat as far as Celery's own start, and say whether it came so far."""
    started: list[str] = []
    monkeypatch.setattr(program.Beat, "start_scheduler", lambda self: started.append("Celery's"))
    monkeypatch.setitem(app.conf, "task_always_eager", eager)
    with override_settings(DEBUG=debug):
        app.Beat().start_scheduler()
    return started


def test_an_eager_beat_refuses_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="CELERY_BROKER_URL"):
        start(eager=True, debug=False, monkeypatch=monkeypatch)


@pytest.mark.parametrize(("eager", "debug"), [(True, True), (False, False)])
def test_beat_does_not_refuse_elsewhere(eager: bool, debug: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert start(eager, debug, monkeypatch) == ["Celery's"]


def test_a_beat_without_its_database_ends_with_one_error() -> None:
    beat = subprocess.run(
        [sys.executable, "-m", "celery", "--app", "config", "beat"],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings.development",
            "CELERY_BROKER_URL": "",
            "DATABASE_URL": "sqlite:////no/such/folder/db.sqlite3",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert beat.returncode == 1
    assert beat.stderr.count("beat ends with an error") == 1
    assert beat.stderr.rstrip().endswith("unable to open database file")
    assert "celery.redirected" not in beat.stderr
