"""A worker on Redis or Valkey survives a restart of its broker.

kombu 5.7.0: while a lost connection is closed, or a late acknowledgement is sent over it, ``Channel._connparams``
(``kombu/transport/redis.py:1959``) asks for a new connection of a virtual connection whose ``client`` is gone. That
raises ``AttributeError: 'NoneType' object has no attribute 'hostname'``. Celery reconnects only after connection
errors, so the worker exits with status 1. Here a connection error is raised instead.

This file can go when kombu does so itself. Its test then fails (background/UPSTREAM.md).
"""

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    """A channel that raises a connection error when its connection is lost."""

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        """What to connect with.

        Raises:
            ConnectionError: the connection was lost and is being closed.
        """
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("The connection to the broker was lost.")
        parameters: dict[str, Any] = super()._connparams(asynchronous)
        return parameters


class Transport(redis.Transport):
    """kombu's transport, with the channel above."""

    Channel = Channel
