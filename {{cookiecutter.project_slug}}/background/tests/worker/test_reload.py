"""Under watchfiles, and only there, SIGINT stops a worker as softly as SIGQUIT."""

import signal
from collections.abc import Iterator

import pytest
from celery.apps import worker as program

from config.celery import app


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """What a test changes is put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGQUIT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def soften(monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a worker whose handlers have been installed takes SIGINT for SIGQUIT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def install(self: object, worker: object) -> None:
        signal.signal(signal.SIGQUIT, lambda number, frame: None)

    monkeypatch.setattr(program.Worker, "install_platform_tweaks", install)
    worker = object.__new__(app.Worker)
    worker.install_platform_tweaks(worker)
    return signal.getsignal(signal.SIGINT) is signal.getsignal(signal.SIGQUIT)


def test_under_watchfiles_a_worker_stops_softly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHFILES_CHANGES", "[]")

    assert soften(monkeypatch)


def test_a_worker_that_a_person_started_stops_as_celery_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHFILES_CHANGES", raising=False)

    assert not soften(monkeypatch)
