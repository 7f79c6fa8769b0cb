"""The part of a worker that takes messages from the broker."""

from typing import Any

from celery.worker import consumer

from background.probe.heartbeat import say_waiting


class Consumer(consumer.Consumer):
    """Celery's consumer. While it waits for the broker, it tells a container's probe so, and can be stopped."""

    def ensure_connected(self, connection: Any) -> Any:
        connection.on_wait = self.on_wait
        return super().ensure_connected(connection)

    def on_wait(self) -> None:
        """Do each second what the worker's timer does otherwise."""
        say_waiting()
        self.controller.soft_stop.look()
