"""A worker on Redis or Valkey comes back after a restart of its broker, instead of exiting.

kombu 5.7.0: while a lost connection is closed, or a late acknowledgement is sent over it, ``Channel._connparams``
(``kombu/transport/redis.py:1959``) asks for a new connection of a virtual connection whose ``client`` is gone, and
raises ``AttributeError: 'NoneType' object has no attribute 'hostname'``. Celery reconnects after connection errors
only, so the worker ends with status 1. Here the same moment raises a connection error.

This file can go when kombu does so itself. Its test then fails (background/UPSTREAM.md).
"""

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    """A channel of a lost connection says so."""

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
