"""A message of Redis is in its queue or in the record of what a worker holds, and stock kombu understands both."""

import inspect
import json
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from kombu import Consumer
from kombu.connection import Connection as KombuConnection
from kombu.entity import Exchange, Queue
from kombu.transport import redis as kombu_redis
from redis import ConnectionError, Redis

from background.broker.connection import UNREADABLE, Connection
from background.broker.redis_delivery import Transport, unforgotten

BOTH = [Connection, KombuConnection]
TASKS = Queue("tasks", Exchange("tasks", "direct"), "tasks")
LONG = Queue("long", Exchange("long", "direct"), "long")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Redis of these tests alone."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    port = free_port()
    folder: Path = tmp_path_factory.mktemp("redis")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        client = Redis(port=port)
        try:
            for _ in range(500):
                with suppress(ConnectionError):
                    client.ping()
                    break
                time.sleep(0.02)
            yield client
        finally:
            client.close()
            process.terminate()


@pytest.fixture
def redis(server: Any) -> Any:
    server.flushall()
    return server


def url(redis: Any) -> str:
    return f"redis://127.0.0.1:{redis.connection_pool.connection_kwargs['port']}/0"


def send(redis: Any, *bodies: Any, connection: Any = Connection, queue: Queue = TASKS, **options: Any) -> None:
    with connection(url(redis)) as sender:
        producer = sender.Producer()
        for body in bodies:
            producer.publish(body, exchange=queue.exchange, routing_key=queue.routing_key, declare=[queue], **options)


@contextmanager
def consuming(redis: Any, connection: Any = Connection, **options: Any) -> Iterator[tuple[Any, list[Any]]]:
    """A consumer, and the messages that it has got."""
    got: list[Any] = []
    transport = {"visibility_timeout": options.pop("visibility_timeout", 60)}
    with (
        connection(url(redis), transport_options=transport) as receiver,
        Consumer(receiver, [TASKS, LONG], on_message=got.append, **options),
    ):
        yield receiver, got


def drain(receiver: Any, seconds: float = 0.3) -> None:
    """Let the consumer get what is there."""
    with suppress(TimeoutError):
        while True:
            receiver.drain_events(timeout=seconds)


def bodies(messages: list[Any]) -> list[Any]:
    return [message.payload for message in messages]


def test_kombu_still_takes_a_message_by_one_command_and_notes_it_by_another() -> None:
    """When this fails, kombu has been mended: delete background/broker/redis_delivery.py, its mentions and these tests."""
    assert "'BRPOP'" in inspect.getsource(kombu_redis.Channel._brpop_start)
    assert ".execute()" in inspect.getsource(kombu_redis.QoS.append)


def test_urls_of_redis_take_this_transport() -> None:
    assert isinstance(Connection("redis://localhost").transport, Transport)


def test_a_process_that_enqueues_takes_this_transport_too() -> None:
    with Connection("redis://localhost") as connection, connection.Pool(1).acquire() as pooled:
        assert issubclass(pooled.get_transport_cls(), Transport)


def test_a_message_is_in_the_record_before_the_worker_has_read_the_answer(redis: Any) -> None:
    """So a worker that is killed at this moment does not take it along."""
    send(redis, "a")
    with consuming(redis) as (receiver, got):
        receiver.connection.cycle.on_poll_start()  # it asks, and reads nothing
        while redis.llen("tasks"):
            time.sleep(0.01)

        ((_, record),) = redis.hgetall("unacked").items()
        message, exchange, routing_key = json.loads(record)
        assert got == []
        assert (exchange, routing_key) == ("", "tasks")
        assert message["properties"]["delivery_info"]["routing_key"] == "tasks"
        assert redis.zcard("unacked_index") == 1


def test_what_was_acknowledged_is_forgotten(redis: Any) -> None:
    send(redis, "a", "b", "c")
    with consuming(redis) as (receiver, got):
        drain(receiver)
        for message in got[:2]:
            message.ack()
        drain(receiver)

        assert bodies(got) == ["a", "b", "c"]
        assert redis.hlen("unacked") == redis.zcard("unacked_index") == 1
        got[2].ack()

    assert redis.hlen("unacked") == redis.zcard("unacked_index") == redis.llen("tasks") == 0


def test_what_was_not_acknowledged_goes_back_when_the_consumer_ends(redis: Any) -> None:
    send(redis, "a")
    with consuming(redis) as (receiver, _):
        drain(receiver)

    assert (redis.llen("tasks"), redis.hlen("unacked")) == (1, 0)
    assert json.loads(str(redis.lindex("tasks", 0), "utf-8"))["headers"]["redelivered"]


@pytest.mark.parametrize("requeue", [True, False])
def test_a_message_that_is_rejected_is_nowhere_or_in_its_queue(redis: Any, requeue: bool) -> None:
    send(redis, "a")
    with consuming(redis, prefetch_count=1) as (receiver, got):
        receiver.drain_events(timeout=1)
        got[0].reject(requeue=requeue)
        if not requeue:
            drain(receiver)

    assert redis.llen("tasks") == requeue
    assert redis.hlen("unacked") == 0


@pytest.mark.parametrize(("sender", "receiver_class"), [(one, other) for one in BOTH for other in BOTH])
def test_old_and_new_processes_share_the_queues(redis: Any, sender: Any, receiver_class: Any) -> None:
    """As during a deployment."""
    send(redis, *range(20), connection=sender)
    with consuming(redis, receiver_class) as (receiver, got):
        drain(receiver)
        for message in got:
            message.ack()
        drain(receiver)

    assert bodies(got) == list(range(20))
    assert redis.hlen("unacked") == redis.zcard("unacked_index") == redis.llen("tasks") == 0


@pytest.mark.parametrize("rescuer", BOTH)
def test_what_a_killed_worker_held_is_given_back_by_any_other(redis: Any, rescuer: Any) -> None:
    send(redis, "a")
    with Connection(url(redis)) as killed:
        consumer = Consumer(killed, [TASKS], on_message=lambda message: None)
        consumer.consume()
        killed.drain_events(timeout=1)
        killed.default_channel.do_restore = False  # as if by kill -9

        with consuming(redis, rescuer, visibility_timeout=0) as (receiver, got):
            receiver.default_channel.qos.restore_visible(interval=1)
            drain(receiver)

            assert bodies(got) == ["a"]
            assert got[0].headers["redelivered"]
            assert got[0].delivery_info["routing_key"] == "tasks"
            got[0].ack()
            drain(receiver)
        consumer.cancel()


def test_an_idle_consumer_is_told_of_a_message_on_any_of_its_queues(redis: Any) -> None:
    """It does not look again for as long as it is told nothing: here for longer than it waits."""
    with consuming(redis) as (receiver, got):
        receiver.default_channel.brpop_timeout = 1000
        drain(receiver)
        assert receiver.default_channel.is_waiting
        for queue, priority in ((TASKS, 0), (LONG, 0), (LONG, 9)):
            send(redis, queue.name, queue=queue, priority=priority)
            receiver.drain_events(timeout=20)
            assert got.pop().payload == queue.name


def test_a_change_that_comes_with_the_answer_is_seen(redis: Any) -> None:
    """Both are read at once, and the socket has nothing more to read."""
    with consuming(redis) as (receiver, got):
        channel = receiver.default_channel
        channel.brpop_timeout = 1000
        receiver.connection.cycle.on_poll_start()
        select.select([channel.client.connection._sock], [], [], 20)  # the answer that there is nothing
        send(redis, "a")
        receiver.drain_events(timeout=20)

    assert bodies(got) == ["a"]


def test_a_message_of_a_higher_priority_comes_first(redis: Any) -> None:
    send(redis, "later", priority=9)
    send(redis, "first", priority=0)
    with consuming(redis) as (receiver, got):
        drain(receiver)

    assert bodies(got) == ["first", "later"]


@pytest.mark.parametrize("garbage", [b"no JSON", b"[]", b"null", b"\xff\xfe", b'{"body": 1}', b""])
def test_what_is_no_message_is_set_aside_and_the_others_are_done(redis: Any, garbage: bytes) -> None:
    redis.lpush("tasks", garbage)
    send(redis, "a")
    with consuming(redis) as (receiver, got):
        drain(receiver)
        got[0].ack()

    assert bodies(got) == ["a"]
    (aside,) = redis.lrange(UNREADABLE, 0, -1)
    assert garbage in aside
    assert redis.hlen("unacked") == redis.zcard("unacked_index") == redis.llen("tasks") == 0


def test_a_killed_worker_s_garbage_is_set_aside_too(redis: Any) -> None:
    redis.hset("unacked", "some", b"[garbage]")
    redis.zadd("unacked_index", {"some": 1})
    with consuming(redis, visibility_timeout=0) as (receiver, _):
        receiver.default_channel.qos.restore_visible(interval=1)

    assert redis.lrange(UNREADABLE, 0, -1) == [b"[garbage]"]
    assert redis.hlen("unacked") == redis.zcard("unacked_index") == 0


def test_a_consumer_that_acknowledges_nothing_leaves_nothing(redis: Any) -> None:
    send(redis, "a")
    with consuming(redis, no_ack=True) as (receiver, got):
        drain(receiver)

    assert bodies(got) == ["a"]
    assert redis.hlen("unacked") == redis.zcard("unacked_index") == 0


def test_a_prefix_of_the_keys_is_kept_to(redis: Any) -> None:
    options = {"global_keyprefix": "one:"}
    with Connection(url(redis), transport_options=options) as sender:
        sender.Producer().publish("a", exchange=TASKS.exchange, routing_key="tasks", declare=[TASKS])
    got: list[Any] = []
    with (
        Connection(url(redis), transport_options=options) as receiver,
        Consumer(receiver, [TASKS], on_message=got.append),
    ):
        drain(receiver)
        assert redis.hlen("one:unacked") == 1
        got[0].ack()

    assert bodies(got) == ["a"]
    assert [key for key in redis.scan_iter() if not key.startswith(b"one:")] == []


def test_a_flushed_script_is_loaded_again(redis: Any) -> None:
    with consuming(redis) as (receiver, got):
        drain(receiver)
        redis.script_flush()
        send(redis, "a")
        drain(receiver, 3)

    assert bodies(got) == ["a"]


def test_a_full_redis_is_drained(redis: Any) -> None:
    """What is taken is noted, as the place for it has just become free."""
    send(redis, *(f"{number} {'x' * 1000}" for number in range(200)))
    redis.config_set("maxmemory", "1")
    try:
        with consuming(redis) as (receiver, got):
            drain(receiver)
            for message in got:
                message.ack()
            drain(receiver)
    finally:
        redis.config_set("maxmemory", "0")

    assert len(got) == 200
    assert redis.hlen("unacked") == redis.llen("tasks") == 0


def test_a_full_redis_is_told_at_the_end_what_is_done(redis: Any) -> None:
    send(redis, "a", "b")
    with consuming(redis) as (receiver, got):
        drain(receiver)
        receiver.default_channel.closed = True  # no call is to come
        redis.config_set("maxmemory", "1")
        try:
            for message in got:
                message.ack()
        finally:
            redis.config_set("maxmemory", "0")
            receiver.default_channel.closed = False

    assert len(got) == 2
    assert redis.hlen("unacked") == redis.zcard("unacked_index") == redis.llen("tasks") == 0


def test_what_redis_could_not_be_told_is_told_over_the_next_connection(redis: Any) -> None:
    send(redis, "a")
    with consuming(redis) as (receiver, got):
        drain(receiver)
        channel = receiver.default_channel
        address = channel.address

        def refuse(*args: Any, **options: Any) -> None:
            raise ConnectionError("it is away")

        channel.conn_or_acquire = refuse
        got[0].ack()
        with suppress(ConnectionError):
            channel.close()
        held = redis.hlen("unacked")
        assert unforgotten[address]

    with consuming(redis) as (receiver, _):
        drain(receiver)

    assert (held, redis.hlen("unacked")) == (1, 0)
    assert address not in unforgotten


def test_what_is_done_is_not_forgotten_about_if_redis_could_not_be_asked(
    redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(redis, "a")
    with consuming(redis) as (receiver, got):
        drain(receiver)
        got[0].ack()

        def refuse(*args: Any, **options: Any) -> None:
            raise ConnectionError("it is away")

        with monkeypatch.context() as patch:
            patch.setattr(got[0].channel.client.connection, "send_command", refuse)
            with pytest.raises(ConnectionError):
                got[0].channel._brpop_start()
        drain(receiver)

        assert redis.hlen("unacked") == 0
