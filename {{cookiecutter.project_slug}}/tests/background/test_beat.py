"""A beat that is asked to end does so softly, and one without a broker refuses in production."""

import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import override_settings

from background import beat
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


def refuse(eager: bool, debug: bool) -> None:
    service: Any = SimpleNamespace(app=SimpleNamespace(conf=SimpleNamespace(task_always_eager=eager)))
    with override_settings(DEBUG=debug):
        beat.refuse_eager_production(service)


def test_an_eager_beat_refuses_in_production() -> None:
    with pytest.raises(SystemExit, match="CELERY_BROKER_URL"):
        refuse(eager=True, debug=False)


@pytest.mark.parametrize(("eager", "debug"), [(True, True), (False, False)])
def test_beat_does_not_refuse_elsewhere(eager: bool, debug: bool) -> None:
    refuse(eager, debug)
