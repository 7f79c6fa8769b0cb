"""A channel to Redis uses one client for all its messages, and neither a transaction nor a wait to note one."""

import inspect
from contextlib import nullcontext
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from kombu.transport import redis

from background.broker import redis_speed
from background.broker.connection import Connection


def channel(channel_class: Any) -> Any:
    """A channel that has not connected: a pool connects when a connection is borrowed."""
    made = channel_class.__new__(channel_class)
    made._pool = made._async_pool = None
    made._get_pool = lambda asynchronous=False: import_module("redis").ConnectionPool()
    made._sentinel_manager = made._async_sentinel_manager = None
    made.global_keyprefix = ""
    made.Client = made._get_client()
    made._registered = False
    made.closed = True
    return made


def test_kombu_still_makes_a_client_each_time() -> None:
    """When this fails, kombu is fixed: delete background/broker/redis_speed.py, its mentions and these tests."""
    kombu = channel(redis.Channel)

    assert kombu._create_client() is not kombu._create_client()


def test_here_a_channel_keeps_its_client() -> None:
    ours = channel(redis_speed.Channel)

    assert ours._create_client() is ours._create_client()


def test_a_channel_with_a_new_pool_has_a_new_client() -> None:
    """As in a forked process, and after a lost connection."""
    ours = channel(redis_speed.Channel)
    before = ours._create_client()

    ours._disconnect_pools()

    assert ours._create_client().connection_pool is ours.pool
    assert ours._create_client() is not before


def test_a_client_of_the_event_loop_is_its_own() -> None:
    ours = channel(redis_speed.Channel)

    assert ours._create_client(asynchronous=True) is not ours._create_client(asynchronous=True)


def noted(qos_class: Any) -> Any:
    """The pipeline in which a message is noted as taken, or forgotten."""
    client = import_module("redis").Redis()
    qos = qos_class(SimpleNamespace(conn_or_acquire=lambda given: nullcontext(client), do_restore=False))
    with qos.pipe_or_acquire() as pipe:
        return pipe


def test_kombu_still_notes_each_message_in_a_transaction() -> None:
    """When this fails, kombu is fixed: delete the class QoS and these tests."""
    assert noted(redis.QoS).transaction


def test_here_no_transaction_notes_a_message() -> None:
    assert not noted(redis_speed.Channel.QoS).transaction


def test_kombu_still_waits_for_the_answer_to_each_command_of_its_record() -> None:
    """When this fails, kombu is fixed: delete what the class QoS has for it, ``_brpop_read`` and these tests."""
    assert ".execute()" in inspect.getsource(redis.QoS.append)
    assert "self._remove_from_indices(delivery_tag).execute()" in inspect.getsource(redis.QoS.ack)


class Line:
    """A connection that fails as it is told, and notes what is done with it."""

    def __init__(self, *, silent: bool = False, refuses: bool = False) -> None:
        self.silent, self.refuses = silent, refuses
        self.did: list[str] = []

    def pack_commands(self, commands: list[Any]) -> list[Any]:
        return [command[0] for command in commands]

    def send_packed_command(self, commands: list[str], check_health: bool) -> None:
        if self.refuses:
            raise ConnectionError
        self.did += ["check", *commands] if check_health else commands

    def read_response(self) -> int:
        if self.silent:
            raise ConnectionError
        self.did.append("read")
        return 1

    def disconnect(self) -> None:
        self.did.append("disconnect")


class Pipeline:
    """Two commands of the record, which are sent again by ``execute``."""

    def __init__(self, line: Line, *commands: str) -> None:
        self.command_stack: list[Any] = [((command,), {}) for command in commands]
        self.connection_pool = SimpleNamespace(get_connection=lambda: line)
        self.line = line

    def execute(self) -> None:
        self.line.did.append(f"again {self.command_stack[0][0][0]}")


@pytest.mark.parametrize(
    ("fault", "did"),
    [
        ({}, ["check", "ZREM", "HDEL", "ZADD", "HSET", "read", "read", "read", "read"]),
        ({"silent": True}, ["check", "ZREM", "HDEL", "ZADD", "HSET", "disconnect", "again ZREM", "again ZADD"]),
        ({"refuses": True}, ["disconnect", "again ZREM", "disconnect", "again ZADD"]),
    ],
    ids=["all is well", "silent", "refuses"],
)
def test_answers_are_read_together_and_what_has_none_is_sent_again(fault: dict[str, bool], did: list[str]) -> None:
    line = Line(**fault)
    pipelines = [Pipeline(line, "ZREM", "HDEL"), Pipeline(line, "ZADD", "HSET")]
    client = SimpleNamespace(pipeline=lambda transaction: pipelines.pop(0))
    own: Any = redis_speed.QoS
    qos = own(SimpleNamespace(conn_or_acquire=lambda given: nullcontext(client), do_restore=False))

    for _ in range(2):
        with qos.pipe_or_acquire() as pipe:
            pipe.execute()
    qos._vrestore_count = 1  # kombu looks for others' messages in each tenth sweep only
    qos.restore_visible()
    qos.restore_visible()

    assert line.did == did


def test_a_message_that_was_handed_on_has_the_answers_read() -> None:
    read: list[str] = []
    own = channel(redis_speed.Channel)
    own._qos = SimpleNamespace(settle=lambda: read.append("answers"))
    parse_response = SimpleNamespace(parse_response=lambda *arguments, **options: (b"default", b"{}"), connection=None)
    own.__dict__["client"] = parse_response
    own._queue_cycle = SimpleNamespace(rotate=lambda queue: None)
    own.connection = SimpleNamespace(_deliver=lambda message, queue: read.append(queue))
    own._flush_brpop_reauth = lambda: None

    own._brpop_read()

    assert read == ["default", "answers"]


def test_a_message_is_given_back_in_a_transaction_as_by_kombu() -> None:
    own: Any = redis_speed.QoS
    pipe = object()
    with own(SimpleNamespace(do_restore=False)).pipe_or_acquire(pipe) as used:
        assert used is pipe


def test_urls_of_redis_take_this_transport() -> None:
    assert isinstance(Connection("redis://localhost").transport, redis_speed.Transport)
