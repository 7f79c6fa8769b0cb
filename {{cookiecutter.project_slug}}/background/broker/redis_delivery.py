"""Taking a message from Redis or Valkey is one step: it is in its queue, or in the record of what a worker holds.

kombu 5.7.0 takes a message by BRPOP and notes it in the hash ``unacked`` by a later command. A worker that is killed between
the two, or while Redis's answer is on its way, takes the message along: about one message in four kills under full load.

Here a script takes a message and notes it in one step, in the hash and the index that kombu knows, so its workers and ours
can serve the same queues. The same call forgets what was acknowledged since the last one. So a message costs one round trip,
where kombu needs three.

BRPOP also waits for messages. A worker that finds its queues empty is told by Redis when one of them changes (CLIENT TRACKING,
https://redis.io/docs/latest/develop/reference/client-side-caching/), which takes nothing. It looks again every second, too.
"""

import json
from collections import defaultdict, deque
from functools import cached_property
from time import monotonic, time
from typing import Any, NamedTuple
from uuid import uuid4

from django.core.exceptions import ImproperlyConfigured
from kombu.exceptions import OperationalError
from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads
from redis.exceptions import NoScriptError, OutOfMemoryError, ResponseError

from background.broker import redis_reconnect
from background.broker.connection import UNREADABLE

logger = redis.logger
Empty = redis.Empty
ERRORS = (*redis.Transport.connection_errors, *redis.Transport.channel_errors)

# KEYS: the queues in their order, the record, its index.
# ARGV: the message's name in the record, the time (seconds), and for each queue how its messages are recorded; then the names
# of the messages that are done. The record of a message is JSON: the message, an exchange and a routing key, by which kombu
# finds the queue that it goes back to. Of the default exchange that is the routing key itself.
TAKE = """
local queues = #KEYS - 2
local record, index = KEYS[queues + 1], KEYS[queues + 2]
if #ARGV > queues + 2 then
    redis.call('HDEL', record, unpack(ARGV, queues + 3))
    redis.call('ZREM', index, unpack(ARGV, queues + 3))
end
for i = 1, queues do
    local message = redis.call('RPOP', KEYS[i])
    if message then
        redis.call('HSET', record, ARGV[1], '[' .. message .. ARGV[i + 2])
        redis.call('ZADD', index, ARGV[2], ARGV[1])
        return {i, message}
    end
end
if queues > 0 then
    redis.call('EXISTS', unpack(KEYS, 1, queues))
end
return false
"""
MOST = 1000  # names in one call: Lua's unpack has a limit

ORDERS = 100  # orders of queues that are kept: of five queues there are 120

# By the address of a server: the names of messages that are done, of which a lost connection could not tell it.
unforgotten: dict[str, list[str]] = defaultdict(list)


def message_in(record: bytes) -> bytes | str:
    """The message of a record. If it is not JSON, it stands between the bracket and what the script adds."""
    try:
        message, *_ = json.loads(record)
    except ValueError:
        return record[1:].rpartition(b',"",')[0] or record
    return json.dumps(message)


def refuse_cluster(connection: Any) -> None:
    """See that a server is not one of a Redis Cluster, which would refuse some queues, and have others on another server.

    Raises:
        ImproperlyConfigured: it is.
    """
    connection.send_command("INFO", "cluster")
    try:
        said = bytes_to_str(connection.read_response())
    except ResponseError:  # the user may not ask
        return
    if "cluster_enabled:1" in said:
        raise ImproperlyConfigured(
            "CELERY_BROKER_URL names a server of a Redis Cluster, which Celery can't use. Take one server, or Sentinel:"
            " docs/failover.md."
        )


class Order(NamedTuple):
    """The queues in the order in which a call asks them: what the call says of them is the same for each message."""

    queues: list[str]  # of each key
    keys: list[str]  # the script's KEYS
    records: list[str]


class QoS(redis.QoS):
    """What a worker holds. A message that was taken is noted already."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.done: deque[str] = deque()  # the names of messages to be forgotten; a pool of threads adds to it

    def append(self, message: Any, delivery_tag: str) -> None:
        self.channel.taken.discard(delivery_tag)
        redis.virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Forget the message with the next call, which comes at once: a place has become free."""
        self.done.append(delivery_tag)
        redis.virtual.QoS.ack(self, delivery_tag)
        if not self.channel.takes_more:
            self.forget()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if requeue:
            self.restore_by_tag(delivery_tag, leftmost=True)
            redis.virtual.QoS.ack(self, delivery_tag)
        else:
            self.ack(delivery_tag)

    def names_of_done(self) -> list[str]:
        """Take the names out of ``done``, as many as one call can forget."""
        return [self.done.popleft() for _ in range(min(len(self.done), MOST))]

    def forget(self) -> None:
        """Forget what is done, over a connection of the pool, and wait for it.

        Not in a transaction, which a full Redis refuses. A name that is left in the index alone stands for no message.

        Raises:
            redis.RedisError: Redis is away. The names are kept.
        """
        while names := self.names_of_done():
            try:
                with self.channel.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
                    pipe.hdel(self.unacked_key, *names).zrem(self.unacked_index_key, *names).execute()
            except ERRORS:
                self.done.extendleft(names)
                raise

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Give back what others have held for too long. A full Redis takes nothing back, and is asked again."""
        try:
            super().restore_visible(*args, **kwargs)
        except OutOfMemoryError as error:
            logger.warning("Redis is full. Messages of lost workers stay where they are: %s", error)

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:
        """Give a message back to its queue. One that can't be read is set aside."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except (ValueError, TypeError) as error:
            self.channel.set_aside(tag, error)

    def restore_unacked(self, client: Any = None) -> None:
        self.forget()
        super().restore_unacked(client)


class UnreadableError(ValueError):
    """A message is not one as kombu writes it."""


class Message(redis.Channel.Message):
    """A message that has been decoded."""

    def __init__(self, payload: Any, channel: Any = None, **kwargs: Any) -> None:
        try:
            super().__init__(payload, channel, **kwargs)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise UnreadableError(repr(error)) from error


class Channel(redis_reconnect.Channel):
    """A channel that takes and notes messages in one step."""

    QoS = QoS
    Message = Message
    kept: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.name = uuid4().hex
        self.count = 0
        self.taken: set[str] = set()  # noted in Redis, and not yet delivered here
        self.forgetting: list[str] = []  # sent, and not answered
        self.is_waiting = False  # for a queue to change, as nothing was there
        self.script: str = ""
        self.orders: dict[tuple[str, ...], Order] = {}
        super().__init__(*args, **kwargs)

    @property
    def takes_more(self) -> bool:
        """Whether a call is to come that can forget messages."""
        return bool(self.active_queues) and not self.closed

    def _create_client(self, asynchronous: bool = False) -> Any:
        """The channel's client. A client fills a table of some 170 functions, so one is kept for as long as its pool."""
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self.kept is None or self.kept.connection_pool is not self.pool:
            self.kept = super()._create_client()
        return self.kept

    @cached_property
    def client(self) -> Any:
        """The client of the event loop, whose connection is told of changes (RESP3)."""
        client = self._create_client(asynchronous=True)
        pool = client.connection_pool
        client.connection = pool.connection_class(**{**pool.connection_kwargs, "protocol": 3})
        client.connection.register_connect_callback(self.prepare)
        return client

    def prepare(self, connection: Any) -> None:
        """Load the script, and ask to be told of changes: after each connect, as both may have been lost with a restart."""
        connection.send_command("SCRIPT", "LOAD", TAKE)
        self.script = bytes_to_str(connection.read_response())
        connection.send_command("CLIENT", "TRACKING", "ON", "NOLOOP")
        try:
            connection.read_response()
        except ResponseError as error:  # a proxy may not know it: each second is often enough then
            logger.warning("Redis does not tell of new messages, so they are looked for every second: %s", error)
        refuse_cluster(connection)

    def keys_of(self, queues: list[str]) -> dict[str, str]:
        """The key of each queue and priority, and the queue that it is of."""
        return {self._q_for_pri(queue, step): queue for step in self.priority_steps for queue in queues}

    def order_of(self, queues: list[str]) -> Order:
        """What a call says of these queues, in this order."""
        order = self.orders.get(tuple(queues))
        if order is None:
            keys = self.keys_of(queues)
            order = Order(
                list(keys.values()),
                [f"{self.global_keyprefix}{key}" for key in (*keys, self.unacked_key, self.unacked_index_key)],
                [f',"",{json.dumps(queue)}]' for queue in keys.values()],
            )
            if len(self.orders) >= ORDERS:
                self.orders.clear()
            self.orders[tuple(queues)] = order
        return order

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Ask for a message."""
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues:
            return
        self.order = order = self.order_of(queues)
        self.count += 1
        self.asked = f"{self.name}.{self.count}"
        if unforgotten:
            self.qos.done.extend(unforgotten.pop(self.address, ()))
        self.forgetting = self.qos.names_of_done()
        self.is_waiting = False
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        try:
            self.client.connection.send_command(
                "EVALSHA",
                self.script,
                len(order.keys),
                *(*order.keys, self.asked, time(), *order.records, *self.forgetting),
            )
        except BaseException:
            self._in_poll = None
            self._keep_done()
            raise

    def _brpop_read(self, **options: Any) -> bool:
        """Read the answer, and deliver the message.

        Raises:
            Empty: there is none.
        """
        connection = self.client.connection
        if self.is_waiting and not redis._socket_readable(connection._sock):
            self._in_poll = None
            raise Empty
        try:
            answer = connection.read_response(push_request=self.is_waiting)
            has_changed = answer is None and connection.can_read()  # what was read along is not seen on the socket
        except NoScriptError:  # it was flushed
            connection.send_command("SCRIPT", "LOAD", TAKE)
            connection.read_response()
            self._keep_done()
            answer, has_changed = None, False
        except self.connection_errors:
            connection.disconnect()
            self._in_poll = None
            self._keep_done()
            raise
        except BaseException:
            self._in_poll = None
            self._keep_done()
            raise
        self.forgetting = []
        if self.is_waiting or has_changed:
            self._in_poll = None
            self._flush_brpop_reauth()
            raise Empty
        if not answer:
            self.is_waiting = True
            raise Empty
        self._in_poll = None
        self._flush_brpop_reauth()
        place, item = answer
        queue = self.order.queues[int(place) - 1]
        self._queue_cycle.rotate(queue)
        try:
            message = loads(bytes_to_str(item))
            message["properties"]["delivery_tag"] = self.asked
        except (ValueError, TypeError, KeyError) as error:
            self.set_aside(self.asked, error)
            raise Empty from error
        self.taken.add(self.asked)
        try:
            self.connection._deliver(message, queue)
        except UnreadableError as error:
            self.taken.discard(self.asked)
            self.set_aside(self.asked, error)
            raise Empty from error
        if self.asked in self.taken:  # by a consumer that acknowledges nothing
            self.taken.discard(self.asked)
            self.qos.done.append(self.asked)
        return True

    def _keep_done(self) -> None:
        """Forget once more what may not have been forgotten."""
        self.qos.done.extendleft(self.forgetting)
        self.forgetting = []

    def set_aside(self, name: str, fault: object) -> bool:
        """Move a message that no one can run to the list ``unreadable``, in one step.

        False if Redis is full. Then the message stays in the record, and comes back after the visibility timeout.
        """

        def move(pipe: Any) -> None:
            record = pipe.hget(self.unacked_key, name)
            pipe.multi()
            pipe.hdel(self.unacked_key, name).zrem(self.unacked_index_key, name)
            if record:
                pipe.lpush(UNREADABLE, message_in(record))

        with self.conn_or_acquire() as client:
            try:
                client.transaction(move, self.unacked_key)
            except OutOfMemoryError:
                logger.error("A message can't be run, and Redis is full, so it comes back: %s", fault)
                return False
        logger.error("A message can't be run, and is now in the list %r of the broker: %s", UNREADABLE, fault)
        return True

    def _put(self, queue: str, message: Any, **options: Any) -> None:
        """Put a message into a queue.

        Raises:
            OperationalError: Redis is full.
        """
        try:
            super()._put(queue, message, **options)
        except OutOfMemoryError as error:
            raise OperationalError(f"Redis is full: {error}") from error

    def _size(self, queue: str) -> int:
        """How many messages wait. kombu asks in a transaction, which a full Redis refuses, and so a worker could not start."""
        with self.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
            for key in self.keys_of([queue]):
                pipe.llen(key)
            return sum(pipe.execute())

    def _queue_bind(self, *args: Any, **kwargs: Any) -> None:
        """Bind a queue. A full Redis refuses that even for a queue that is bound already."""
        try:
            super()._queue_bind(*args, **kwargs)
        except OutOfMemoryError as error:
            logger.warning("Redis is full, and a queue could not be bound, if it is not yet: %s", error)

    def look_again(self) -> None:
        """Ask once more after a second of waiting, and at once for what is done."""
        if self.is_waiting and (self.qos.done or monotonic() - self._brpop_sent_at >= self.brpop_timeout):
            self._in_poll = None

    def close(self) -> None:
        if not self.closed and self.connection and self.connection.client:
            try:
                self.qos.forget()
            except ERRORS:
                unforgotten[self.address] += self.qos.done
                self.qos.done.clear()
        super().close()

    @property
    def address(self) -> str:
        """The server and its database."""
        conninfo = self.connection.client
        return f"{conninfo.hostname}:{conninfo.port}/{conninfo.virtual_host}"


class Poller(redis.MultiChannelPoller):
    """kombu's, which also looks again when a channel has waited for a second."""

    def on_poll_start(self) -> None:
        for channel in self._channels:
            channel.look_again()
        super().on_poll_start()

    def get(self, callback: Any, timeout: float | None = None) -> Any:
        limit = min((channel.brpop_timeout for channel in self._channels), default=1)
        return super().get(callback, limit if timeout is None else min(timeout, limit))


class Transport(redis_reconnect.Transport):
    """kombu's transport for Redis, with the channel above."""

    Channel = Channel

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cycle = Poller()
