"""Which queues are served by a worker, told by the broker without asking the workers.

RabbitMQ counts the consumers of a queue. Redis and Valkey do not, so a worker writes there, every ten seconds, a key for each
queue that it serves. A task costs nothing. Other brokers tell nothing.
"""

import contextlib
from typing import Any

from celery import Celery, bootsteps
from kombu import Connection

from background.registry import queue_names

INTERVAL = 10.0  # seconds
LIFETIME = 60_000  # milliseconds: a worker that waits for a slow broker, or starts again, is not missed at once


def key(queue: str) -> str:
    """The name of the key, to which the transport adds ``CELERY_BROKER_KEY_PREFIX``."""
    return f"served.{queue}"


class ServedQueues(bootsteps.StartStopStep):
    """Writes the keys of a worker on Redis or Valkey, from its timer. An error there is a lost connection, as elsewhere.

    https://docs.celeryq.dev/en/stable/userguide/extending.html#consumer
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)
    entry: Any = None

    def start(self, parent: Any) -> None:
        if parent.connection.transport.driver_type == "redis":
            self.say(parent)
            self.entry = parent.timer.call_repeatedly(INTERVAL, self.say, (parent,), priority=10)

    def stop(self, parent: Any) -> None:
        if self.entry:
            self.entry.cancel()
            self.entry = None

    shutdown = stop

    def say(self, parent: Any) -> None:
        with parent.task_consumer.channel.conn_or_acquire() as client:
            for queue in parent.task_consumer.queues:
                # A full Redis refuses SET, but not this.
                if not client.pexpire(key(queue.name), LIFETIME):
                    write(client, queue.name)


def write(client: Any, queue: str) -> None:
    """Write the key of a queue, unless Redis is full."""
    from redis.exceptions import OutOfMemoryError  # a project with RabbitMQ does not install it

    with contextlib.suppress(OutOfMemoryError):
        client.set(key(queue), 1, px=LIFETIME)


def unserved(app: Celery, connection: Connection) -> list[str]:
    """The queues of the settings that no worker serves. An open connection is asked, once for each queue.

    Raises:
        kombu.exceptions.OperationalError, or what the connection has as ``recoverable_connection_errors``: the broker is away.
    """
    serves = {"redis": has_key, "amqp": has_consumers}.get(connection.transport.driver_type)
    names = queue_names(app.conf.task_queues).items()
    return [known for name, known in names if serves and not serves(connection, name)]


def has_key(connection: Connection, queue: str) -> bool:
    """Whether a worker has written the key of the queue within its lifetime."""
    channel: Any = connection.default_channel
    with channel.conn_or_acquire() as client:
        # To this command kombu adds no prefix.
        return bool(client.execute_command("EXISTS", channel.global_keyprefix + key(queue)))


def has_consumers(connection: Connection, queue: str) -> bool:
    """Whether RabbitMQ has a consumer of the queue. One that was never declared has none."""
    try:
        with connection.channel() as channel:
            return bool(channel.queue_declare(queue=queue, passive=True).consumer_count)
    except connection.channel_errors:
        return False
