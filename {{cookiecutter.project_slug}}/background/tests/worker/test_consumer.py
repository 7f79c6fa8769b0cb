"""A message that no one can run is set aside, but never one that the worker already holds to run its task."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import consumer, state

from background.tests.worker.test_message import message
from background.worker.consumer import Consumer


@pytest.fixture
def set_aside(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The messages that were set aside."""
    kept: list[Any] = []
    monkeypatch.setattr(Consumer, "set_aside", lambda self, message, fault: kept.append(message))
    return kept


def handler(monkeypatch: pytest.MonkeyPatch, celerys: Callable[[Any], None]) -> Callable[[Any], None]:
    """The worker's handler of messages around another one of Celery's."""
    monkeypatch.setattr(consumer.Consumer, "create_task_handler", lambda self: celerys)
    return Consumer.__new__(Consumer).create_task_handler()


def fail(message: Any) -> None:
    raise TypeError("of another form")


def test_what_celery_fails_on_is_set_aside(monkeypatch: pytest.MonkeyPatch, set_aside: list[Any]) -> None:
    received = message()

    handler(monkeypatch, fail)(received)

    assert set_aside == [received]


def test_what_is_reserved_is_not(monkeypatch: pytest.MonkeyPatch, set_aside: list[Any]) -> None:
    def reserve_and_fail(message: Any) -> None:
        monkeypatch.setitem(state.requests, "a", SimpleNamespace(message=message))
        fail(message)

    with pytest.raises(TypeError):
        handler(monkeypatch, reserve_and_fail)(message())
    assert set_aside == []
