"""A message that would end a worker is recognised, and each that Celery sends is let through."""

import json
from typing import Any

import pytest
from kombu.message import Message

from background.worker.message import fault_of

HEADERS = {"task": "tests.report", "id": "a", "eta": None, "expires": None, "timelimit": [None, None]}
OPTIONS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
BODY = [[], {"months": 1}, OPTIONS]


def message(body: Any = BODY, **headers: Any) -> Message:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Message(
        content,
        headers={**HEADERS, **headers},
        content_type="application/json",
        content_encoding="utf-8",
        accept={"application/json"},
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"timelimit": [30, 20.5]},
        {"timelimit": None},
        {"eta": "2030-01-01T00:00:00+00:00", "expires": "2030-01-01T01:00:00+00:00"},
    ],
)
def test_what_celery_sends_has_no_fault(headers: dict[str, Any]) -> None:
    assert fault_of(message(**headers)) is None


def test_options_may_be_missing() -> None:
    assert fault_of(message([[], {}, None])) is None


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ({"task": None}, "the header 'task' is not text"),
        ({"id": {"a": 1}}, "the header 'id' is not text"),
        ({"eta": 5}, "the header 'eta' is not a time"),
        ({"expires": []}, "the header 'expires' is not a time"),
        ({"timelimit": "x"}, "the header 'timelimit' is not a pair of numbers"),
        ({"timelimit": [1]}, "the header 'timelimit' is not a pair of numbers"),
    ],
)
def test_a_header_of_another_form_is_named(headers: dict[str, Any], fault: str) -> None:
    assert fault_of(message(**headers)) == fault


@pytest.mark.parametrize("body", [{"a": 1}, [], [1, 2], "x", None, [{}, {}, {}], [[], [], {}], [None, {}, {}]])
def test_a_body_of_another_form_is_a_fault(body: Any) -> None:
    assert fault_of(message(body)) == "its body is not a list of arguments, keyword arguments and options"


def test_a_body_that_is_not_json_is_a_fault() -> None:
    assert str(fault_of(message(b"{{"))).startswith("its body can't be decoded: ")
