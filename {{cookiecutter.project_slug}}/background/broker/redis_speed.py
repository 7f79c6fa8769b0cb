"""What makes a busy worker on Redis twice as quick: its one main process speaks to Redis for every message.

kombu 5.7.0 makes a client for each message that is sent, taken or acknowledged (``Channel._create_client``,
``kombu/transport/redis.py:2047``): redis-py fills a table of some 170 functions in each, which takes longer than to speak to
Redis. A client only borrows connections from its pool, so that one will do for as long as the channel has that pool.

It also notes and forgets each message in a transaction of two commands (``QoS.pipe_or_acquire``, ``:511``), of which the
four answers cost more than the work. Sent together without one they are as good: what a worker holds is in a hash and in an
index of it, and Redis gives back what is in both. An entry of one of them alone is a message that was already acknowledged,
or one that was lost before, as kombu takes it from its queue in a command of its own.

And it waits for the answer to each of the two (``QoS.append``, ``:476``, and ``QoS.ack``, ``:499``), in which time nothing
is handed to the pool.

A class can go when kombu does so itself. Its test then fails (background/UPSTREAM.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any

from kombu.transport import redis

from background.broker import redis_reconnect

ERRORS = (*redis.Transport.connection_errors, *redis.Transport.channel_errors)


class QoS(redis.QoS):
    """The record of the messages that a worker holds, without a transaction for each, and with a wait that costs nothing.

    Its commands have a connection of their own, over which they are sent at once. The answers are read when a message has
    been handed on, by when they are there, or in the next sweep for messages that others lost. What is not answered is
    sent once more, and waited for: it changes nothing when Redis had received it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connection: Any = None
        self.unanswered: list[Any] = []  # pipelines that were sent, the oldest first
        self.lock = Lock()  # a pool of threads acknowledges from its threads

    @contextmanager
    def pipe_or_acquire(self, pipe: Any = None, client: Any = None) -> Iterator[Any]:
        if pipe:
            yield pipe
        else:
            with self.channel.conn_or_acquire(client) as acquired:
                made: Any = acquired.pipeline(transaction=False)
                made.execute = partial(self.send, made)  # kombu calls it, in ``append``, ``ack`` and ``reject``
                yield made

    def send(self, pipe: Any) -> None:
        """Send a pipeline's commands."""
        with self.lock:
            is_settled = not self.unanswered
            self.unanswered.append(pipe)
            try:
                self.connection = self.connection or pipe.connection_pool.get_connection()
                commands = self.connection.pack_commands([command for command, _ in pipe.command_stack])
                # After a long time redis-py asks first whether the connection still is one.
                self.connection.send_packed_command(commands, check_health=is_settled)
            except ERRORS:
                self._send_again()

    def settle(self) -> None:
        """Read the answers that are missing.

        Raises:
            redis.RedisError: Redis is away, or refuses. A message that it could not be told of comes back when its
                visibility timeout is over.
        """
        with self.lock:
            try:
                for pipe in self.unanswered:
                    for _ in pipe.command_stack:
                        self.connection.read_response()
                self.unanswered.clear()
            except ERRORS:
                self._send_again()

    def _send_again(self) -> None:
        """Send what was not answered as redis-py does it, over another connection and with its retries."""
        pipes, self.unanswered = self.unanswered, []
        if self.connection:
            self.connection.disconnect()  # an answer that comes late must not be taken for another one's
        for pipe in pipes:
            del pipe.execute
            pipe.execute()

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Look for messages that others lost, as a worker does every ten seconds."""
        self.settle()
        super().restore_visible(*args, **kwargs)


class Channel(redis_reconnect.Channel):
    """A channel that keeps its client, and reads its record's answers when it has handed on a message."""

    QoS = QoS
    kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        """The channel's client; one of its own for the event loop, which holds a connection."""
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self.kept is None or self.kept.connection_pool is not self.pool:
            self.kept = super()._create_client()
        return self.kept

    def _brpop_read(self, **options: Any) -> Any:
        read = super()._brpop_read(**options)
        self.qos.settle()
        return read


class Transport(redis_reconnect.Transport):
    """The transport of background/broker/redis_reconnect.py, with the channel above."""

    Channel = Channel
