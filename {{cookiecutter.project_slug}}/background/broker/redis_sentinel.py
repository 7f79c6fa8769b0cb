"""Redis or Valkey with Sentinel: sentinels tell which server is the primary, and a message counts as enqueued when replicas have it.

Replication is asynchronous. A primary that dies takes along what it has told no replica, and one that is cut off goes on accepting
messages that nobody will see. So after each message WAIT asks how many replicas have it
(https://redis.io/docs/latest/commands/wait/). Sentinel prefers the replica that has most.
"""

from typing import Any

from kombu.exceptions import OperationalError
from kombu.transport import redis
from kombu.utils.json import dumps
from redis import sentinel
from redis.exceptions import ConnectionError, ResponseError

from background.broker import redis_delivery

PATIENCE = 300  # milliseconds for the replicas: less than the time limit of an answer in config/settings/celery.py

# Too few replicas follow it, as it is cut off, or its disk is full.
REFUSALS = ("NOREPLICAS", "MISCONF")


class Asking:
    """A connection that asks the sentinels whenever it connects, and leaves a server that takes no writes.

    redis-py 8.1 asks them in ``connect``. A command over a connection that is not open goes to localhost, whatever runs there. And
    of what a server refuses it takes only READONLY as a sign to ask again.
    """

    def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        self.connect()  # type: ignore[attr-defined] # does nothing if it is open
        super().send_packed_command(*args, **kwargs)  # type: ignore[misc]

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Read an answer.

        Raises:
            redis.ConnectionError: the connection is lost, or its server is not, or not yet, the one to write to.
        """
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError as error:
            if not str(error).startswith(REFUSALS):
                raise
            self.disconnect()  # type: ignore[attr-defined]
            raise ConnectionError(f"Redis takes no writes: {error}") from error


class Connection(Asking, sentinel.SentinelManagedConnection):
    pass


class SSLConnection(Asking, redis.SentinelManagedSSLConnection):
    pass


class Replicated(redis.SentinelChannel):
    """kombu's channel, which has each message confirmed by ``replicas``, one of the transport's options. 0 asks none."""

    connection_class = Connection
    connection_class_ssl = SSLConnection
    from_transport_options = (*redis.SentinelChannel.from_transport_options, "replicas")
    replicas = 0

    @property
    def supports_batch_publish(self) -> bool:
        """A batch does not look at what Redis answers."""
        return not self.replicas and bool(super().supports_batch_publish)

    def _put(self, queue: str, message: Any, **options: Any) -> None:
        """Put a message into a queue.

        Raises:
            OperationalError: too few replicas have confirmed it. It is in the queue, unless the primary is not one any more.
        """
        if not self.replicas or queue in self._expires:  # such a queue waits for an answer to a command
            super()._put(queue, message, **options)
            return
        key = self._q_for_pri(queue, self._get_message_priority(message, reverse=False))
        with self.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
            _, confirmed = pipe.lpush(key, dumps(message)).wait(self.replicas, PATIENCE).execute()
        if confirmed < self.replicas:
            self.pool.disconnect()  # the next message asks the sentinels again
            raise OperationalError(
                f"Of the replicas {confirmed} have confirmed the message, and {self.replicas} have to. The task may run."
            )


class Channel(redis_delivery.Channel, Replicated):
    """A channel that takes and notes messages in one step."""

    @property
    def address(self) -> str:
        """The group of servers, and its database: the same whichever sentinel was asked."""
        return f"{self.master_name}/{self.connection.client.virtual_host}"


class Transport(redis_delivery.Transport):
    """kombu's transport for Sentinel, with the channel above."""

    default_port = redis.SentinelTransport.default_port
    Channel = Channel
