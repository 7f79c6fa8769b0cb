"""Puts messages that no worker can run into the queue ``default``: ``python unreadable.py`` prints how many. The fault tests
copy this into a project.
"""

import base64
import json
import os
import uuid
from typing import Any
from urllib.parse import urlsplit

import django

django.setup()

from config.celery import app  # noqa: E402

GONE = object()
OPTIONS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
ARGUMENTS = [[10**6, 0], {}, OPTIONS]
# What is wrong, by name: headers, the body as bytes or as JSON, and the content type.
KINDS: dict[str, dict[str, Any]] = {
    "no headers": {"headers": {}},
    "no task": {"task": GONE},
    "task is null": {"task": None},
    "task is a number": {"task": 5},
    "task is a list": {"task": [1]},
    "task is unknown": {"task": "no.such_task"},
    "no id": {"id": GONE},
    "id is null": {"id": None},
    "id is an object": {"id": {"a": 1}},
    "time limit is text": {"timelimit": "x"},
    "time limits are text": {"timelimit": ["x", "y"]},
    "eta is not a time": {"eta": "x"},
    "eta is an object": {"eta": {"a": 1}},
    "expires is not a time": {"expires": "x"},
    "content type is unknown": {"type": "application/x-foo"},
    "content type is pickle": {"type": "application/x-python-serialize"},
    "body is not UTF-8": {"body": b"\xff\xfe\xfa"},
    "body is not JSON": {"body": b"{{"},
    "body is an object": {"body": {"a": 1}},
    "body is an empty list": {"body": []},
    "body has two parts": {"body": [1, 2]},
    "body is text": {"body": "x"},
    "body is null": {"body": None},
    "arguments are an object": {"body": [{"a": 1}, {}, {}]},
    "arguments are null": {"body": [None, {}, {}]},
    "keyword arguments are a list": {"body": [[1, 0], [1], {}]},
    "keyword arguments are null": {"body": [[1, 0], None, {}]},
}
# Of Redis alone: the envelope that kombu puts around a message. A function changes a good one; text stands for itself.
ENVELOPES: dict[str, Any] = {
    "is not JSON": "garbage",
    "is a list": "[1]",
    "is null": "null",
    "is a number": "5",
    "is empty": "{}",
    "has no properties": lambda envelope: envelope.pop("properties"),
    "has no headers": lambda envelope: envelope.pop("headers"),
    "has a list of headers": lambda envelope: envelope.update(headers=[1]),
    "has no body": lambda envelope: envelope.update(body=None),
    "has a body that is a number": lambda envelope: envelope.update(body=7),
    "has a body that is not base64": lambda envelope: envelope.update(body="%%%"),
    "has a body of an unknown encoding": lambda envelope: envelope["properties"].update(body_encoding="rot13"),
}


def message(kind: dict[str, Any]) -> tuple[dict[str, Any], bytes, str]:
    """Headers, body and content type."""
    headers = {"lang": "py", "task": "recorded.work", "id": str(uuid.uuid4()), "retries": 0, "timelimit": [None, None]}
    headers.update({name: value for name, value in kind.items() if name not in ("headers", "body", "type")})
    headers = kind.get("headers", {name: value for name, value in headers.items() if value is not GONE})
    body = kind.get("body", ARGUMENTS)
    return headers, body if isinstance(body, bytes) else json.dumps(body).encode(), kind.get("type", "application/json")


def to_rabbitmq() -> int:
    from amqp import Message

    with app.connection_for_write() as connection:
        channel = connection.channel()
        for kind in KINDS.values():
            headers, body, content_type = message(kind)
            content = {"content_type": content_type, "content_encoding": "utf-8"}
            channel.basic_publish(Message(body, application_headers=headers, **content), "", "default")
    return len(KINDS)


def to_redis() -> int:
    from redis import Redis

    def envelope(kind: dict[str, Any]) -> dict[str, Any]:
        headers, body, content_type = message(kind)
        return {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "utf-8",
            "content-type": content_type,
            "headers": headers,
            "properties": {"body_encoding": "base64", "delivery_tag": "x", "delivery_info": {"routing_key": "default"}},
        }

    raw = [json.dumps(envelope(kind)) for kind in KINDS.values()]
    for change in ENVELOPES.values():
        if callable(change):
            changed = envelope({})
            change(changed)
            change = json.dumps(changed)
        raw.append(change)
    options = app.conf.broker_transport_options
    Redis.from_url(app.conf.broker_url).lpush(options.get("global_keyprefix", "") + "default", *raw)
    return len(raw)


def kept() -> int:
    """How many messages have been set aside."""
    with app.connection_for_read() as connection:
        return int(connection.channel()._size("unreadable")) if on_redis() else count_in_rabbitmq(connection)


def count_in_rabbitmq(connection: Any) -> int:
    return int(connection.channel().queue_declare("unreadable", passive=True).message_count)


def on_redis() -> bool:
    return urlsplit(os.environ["CELERY_BROKER_URL"]).scheme == "redis"


if __name__ == "__main__":
    print(to_redis() if on_redis() else to_rabbitmq())
