"""The connections to the broker: how often a lost one is retried, and which transport is used."""

from collections.abc import Callable, Mapping
from typing import Any

from celery.app import amqp
from celery.utils.imports import symbol_by_name
from kombu import connection

RETRY_INTERVAL = 2  # seconds
UNREADABLE = "unreadable"  # the queue of messages that no one can run
# By name: a project with RabbitMQ does not install what they import.
TRANSPORTS = {
    "redis": "background.broker.redis_delivery:Transport",
    "rediss": "background.broker.redis_delivery:Transport",
    "sentinel": "background.broker.redis_sentinel:Transport",
}


class Connection(connection.Connection):
    """A connection that is retried at a constant interval.

    Celery 5.7 waits 2, 4, 6 and finally 30 seconds between attempts (the defaults of kombu's ``_ensure_connection``),
    and has no setting for it. A worker could be idle for half a minute after its broker is back.
    """

    ssl: Any
    hostname: Any
    on_wait: Callable[[], object] | None = None  # called each second while the connection is retried

    def ensure_connection(self, *args: Any, callback: Callable[[], object] | None = None, **kwargs: Any) -> Any:
        """Connect. The caller says how often to try, and may give other intervals than these."""
        intervals = dict.fromkeys(("interval_start", "interval_max"), RETRY_INTERVAL)

        def call_back() -> None:
            for call in (self.on_wait, callback):
                if call:
                    call()

        return super().ensure_connection(*args, **{**intervals, **kwargs}, callback=call_back)

    def _establish_connection(self) -> Any:
        """Connect to a node. Its certificate has to be for its name in the URL, unless the settings say another one.

        kombu 5.7 writes the name into the TLS options, where the next node finds it, and first turns localhost into an address.
        """
        given, name = self.ssl, self.hostname
        if isinstance(given, dict) and "server_hostname" in given:  # RabbitMQ's
            self.ssl = {**given, "server_hostname": given["server_hostname"] or name}
        try:
            return super()._establish_connection()
        finally:
            self.ssl, self.hostname = given, name

    def get_transport_cls(self) -> Any:
        """The project's own transport for Redis and Valkey, and kombu's for other brokers."""
        if isinstance(self.transport_cls, str) and self.transport_cls in TRANSPORTS:
            return symbol_by_name(TRANSPORTS[self.transport_cls])
        return super().get_transport_cls()

    def Pool(self, limit: int | None = None, **kwargs: Any) -> "ConnectionPool":  # noqa: N802 - as kombu has it
        """The connections of processes that enqueue: kombu's would take kombu's transport."""
        return ConnectionPool(self, limit, **kwargs)


class PooledConnection(Connection, connection.PooledConnection):
    """A connection of a pool, which replaces it after an error."""


class ConnectionPool(connection.ConnectionPool):
    """A pool of the connections above."""

    def new(self) -> PooledConnection:
        return PooledConnection(self, **dict(self.connection._info(resolve=False)))


class AMQP(amqp.AMQP):
    """What the Celery app makes its connections with."""

    Connection = Connection


def with_timeout(options: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Transport options with another time limit for the connection and for each answer. Only those of Redis have one."""
    limits = {"socket_connect_timeout", "socket_timeout"} & options.keys()
    return {**options, **dict.fromkeys(limits, seconds)}
