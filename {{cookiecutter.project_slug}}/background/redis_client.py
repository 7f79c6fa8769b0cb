"""What makes a busy worker on Redis twice as quick: its one main process speaks to Redis for every message.

kombu 5.7.0 makes a client for each message that is sent, taken or acknowledged (``Channel._create_client``,
``kombu/transport/redis.py:2047``): redis-py fills a table of some 170 functions in each, which takes longer than to speak to
Redis. A client only borrows connections from its pool, so that one will do for as long as the channel has that pool.

It also notes and forgets each message in a transaction of two commands (``QoS.pipe_or_acquire``, ``:511``), of which the
four answers cost more than the work. Sent together without one they are as good: what a worker holds is in a hash and in an
index of it, and Redis gives back what is in both. An entry of one of them alone is a message that was already acknowledged,
or one that was lost before, as kombu takes it from its queue in a command of its own.

And it waits for the answer to each acknowledgement (``QoS.ack``, ``:488``), in which time nothing is handed to the pool.

Delete a class, or the file and its mention in config/celery.py, when kombu does so itself: a test of it then fails.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from kombu.transport import redis, virtual
from redis import RedisError

from background import reconnect


class QoS(redis.QoS):
    """The record of the messages that a worker holds, without a transaction for each, and with one wait instead of two.

    An acknowledgement is sent at once, over a connection that is kept for them. Its answer is read before the next one
    is sent, or within ten seconds; when none comes, the acknowledgement is sent once more, and waited for.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kombu: Any = super()
        kombu.__init__(*args, **kwargs)
        self.line: Any = None
        self.unanswered: Any = None  # the pipeline of the last acknowledgement, until its answer is read
        self.lock = Lock()  # a pool of threads acknowledges from its threads

    @contextmanager
    def pipe_or_acquire(self, pipe: Any = None, client: Any = None) -> Iterator[Any]:
        if pipe:
            yield pipe
        else:
            with self.channel.conn_or_acquire(client) as acquired:
                yield acquired.pipeline(transaction=False)

    def ack(self, delivery_tag: str) -> None:
        """Have Redis forget a message.

        Raises:
            redis.RedisError: it could not be told, so the message comes back when its visibility timeout is over.
        """
        with self.lock:
            self.settle()
            pipe: Any = self._remove_from_indices(delivery_tag)  # type: ignore[no-untyped-call]
            self.line = self.line or pipe.connection_pool.get_connection()
            try:
                if self.line.can_read():  # its end, as every answer was read
                    self.line.disconnect()
                self.line.send_packed_command(self.line.pack_commands([command for command, _ in pipe.command_stack]))
                self.unanswered = pipe
            except (RedisError, OSError):
                self.send_again(pipe)
        virtual.QoS.ack(self, delivery_tag)

    def settle(self) -> None:
        """Read the answer to the last acknowledgement, or send it again."""
        pipe, self.unanswered = self.unanswered, None
        if pipe is None:
            return
        try:
            for _ in pipe.command_stack:
                self.line.read_response()
        except (RedisError, OSError):
            self.send_again(pipe)

    def send_again(self, pipe: Any) -> None:
        self.line.disconnect()  # an answer that comes late must not be taken for the next one
        pipe.execute()

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Look for messages that others did not acknowledge, as a worker does every ten seconds."""
        with self.lock:
            self.settle()
        kombu: Any = super()
        kombu.restore_visible(*args, **kwargs)


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
