"""What makes a busy worker on Redis a third quicker: its one main process speaks to Redis for every message.

kombu 5.7.0 makes a client for each message that is sent, taken or acknowledged (``Channel._create_client``,
``kombu/transport/redis.py:2047``): redis-py fills a table of some 170 functions in each, which takes longer than to speak to
Redis. A client only borrows connections from its pool, so that one will do for as long as the channel has that pool.

It also notes and forgets each message in a transaction of two commands (``QoS.pipe_or_acquire``, ``:511``), of which the
four answers cost more than the work. Sent together without one they are as good: what a worker holds is in a hash and in an
index of it, and Redis gives back what is in both. An entry of one of them alone is a message that was already acknowledged,
or one that was lost before, as kombu takes it from its queue in a command of its own.

Delete a class, or the file and its mention in config/celery.py, when kombu does so itself: a test of it then fails.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu.transport import redis

from background import reconnect


class QoS(redis.QoS):
    """The record of the messages that a worker holds, without a transaction for each."""

    @contextmanager
    def pipe_or_acquire(self, pipe: Any = None, client: Any = None) -> Iterator[Any]:
        if pipe:
            yield pipe
        else:
            with self.channel.conn_or_acquire(client) as acquired:
                yield acquired.pipeline(transaction=False)


class Channel(reconnect.Channel):
    """A channel that keeps its client."""

    QoS = QoS
    kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        """The channel's client; one of its own for the event loop, which holds a connection."""
        kombu: Any = super()
        if asynchronous:
            return kombu._create_client(asynchronous=True)
        if self.kept is None or self.kept.connection_pool is not self.pool:
            self.kept = kombu._create_client()
        return self.kept


class Transport(reconnect.Transport):
    """The transport of background/reconnect.py, with the channel above."""

    Channel = Channel
