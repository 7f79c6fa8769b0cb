"""How many messages wait in each queue, and since when the oldest one does, as the broker says."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from celery import Celery
from django.utils import timezone
from kombu import Connection

from background.overview.models import QueueLength
from background.probe.broker import connected
from background.registry import queue_names

KEPT = timedelta(hours=1)  # how long the samples of a queue are kept


class Length(NamedTuple):
    """A queue's messages that no worker has taken."""

    queue: str
    waiting: int
    oldest: datetime | None  # when its oldest message was enqueued. None if there is none, or the broker does not tell


def lengths(app: Celery) -> list[Length]:
    """The queues of the settings, asked over a new connection.

    Raises:
        health_check.exceptions.ServiceUnavailable: the broker refused the connection, or did not answer.
        Exception: what the connection has as ``recoverable_connection_errors``: the broker went away meanwhile.
    """
    with connected(app) as connection:
        return lengths_over(connection, app)


def lengths_over(connection: Connection, app: Celery) -> list[Length]:
    """The queues of the settings, each with a call or two.

    RabbitMQ can't look into a queue, so there the oldest message is not known.

    Raises:
        Exception: what the connection has as ``recoverable_connection_errors``: the broker is away.
    """
    ask = on_redis if connection.transport.driver_type == "redis" else by_declaration
    return [Length(known, *ask(connection, name)) for name, known in queue_names(app.conf.task_queues).items()]


def on_redis(connection: Connection, queue: str) -> tuple[int, datetime | None]:
    """Each priority of a queue is a list, whose last element is the oldest."""
    channel: Any = connection.default_channel
    with channel.conn_or_acquire() as client:
        keys = [channel._q_for_pri(queue, step) for step in channel.priority_steps]
        waiting = sum(client.llen(key) for key in keys)
        # To this command kombu adds no prefix.
        oldest = [client.execute_command("LINDEX", channel.global_keyprefix + key, -1) for key in keys]
    return waiting, min(filter(None, map(enqueued_at, oldest)), default=None)


def enqueued_at(message: bytes | None) -> datetime | None:
    """When a message was enqueued, by its header. None if it has none, or is not one of Celery's."""
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        return datetime.fromtimestamp(json.loads(message or b"")["headers"]["enqueued_at"], UTC)
    return None


def by_declaration(connection: Connection, queue: str) -> tuple[int, None]:
    """What the broker says of a queue that it is asked for. One that was never declared has no messages."""
    try:
        with connection.channel() as channel:
            return channel.queue_declare(queue=queue, passive=True).message_count, None
    except connection.channel_errors:
        return 0, None


def sample(app: Celery) -> None:
    """Record how long the queues are now, and forget what is older than ``KEPT``."""
    now = timezone.now()
    rows = [QueueLength(queue=length.queue, at=now, waiting=length.waiting) for length in lengths(app)]
    QueueLength.objects.bulk_create(rows)
    QueueLength.objects.filter(at__lt=now - KEPT).delete()
