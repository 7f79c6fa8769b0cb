"""The part of a worker that takes messages from the broker."""

from typing import Any

from celery.worker import consumer

from background.probe.heartbeat import say_waiting


class Consumer(consumer.Consumer):
    """Celery's consumer. It tells a container's probe when it waits for the broker."""

    def ensure_connected(self, connection: Any) -> Any:
        connection.on_wait = say_waiting
        return super().ensure_connected(connection)
