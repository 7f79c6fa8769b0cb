"""Under watchfiles, and only there, SIGINT stops a worker as softly as SIGQUIT."""

import signal
from collections.abc import Iterator

import pytest
from celery.signals import worker_ready

from background import reload


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """What a test changes is put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGQUIT)}
    yield
    worker_ready.disconnect(reload.stop_softly)
    for number, handler in before.items():
        signal.signal(number, handler)


def soften() -> bool:
    """Whether a worker that is ready takes SIGINT for SIGQUIT."""
    signal.signal(signal.SIGQUIT, lambda number, frame: None)
    reload.install()
    worker_ready.send(sender=None)
    return signal.getsignal(signal.SIGINT) is signal.getsignal(signal.SIGQUIT)


def test_under_watchfiles_a_worker_stops_softly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHFILES_CHANGES", "[]")

    assert soften()


def test_a_worker_that_a_person_started_stops_as_celery_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHFILES_CHANGES", raising=False)

    assert not soften()
