"""A channel to Redis uses one client for all its messages, and no transaction to note one."""

import inspect
from contextlib import nullcontext
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from kombu.connection import Connection
from kombu.transport import redis
from redis import RedisError

from background import redis_client


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
    """When this fails, kombu has been mended: delete background/redis_client.py, its mentions and these tests."""
    kombu = channel(redis.Channel)

    assert kombu._create_client() is not kombu._create_client()


def test_here_a_channel_keeps_its_client() -> None:
    ours = channel(redis_client.Channel)

    assert ours._create_client() is ours._create_client()


def test_a_channel_with_a_new_pool_has_a_new_client() -> None:
    """As in a forked process, and after a lost connection."""
    ours = channel(redis_client.Channel)
    before = ours._create_client()

    ours._disconnect_pools()

    assert ours._create_client().connection_pool is ours.pool
    assert ours._create_client() is not before


def test_a_client_of_the_event_loop_is_its_own() -> None:
    ours = channel(redis_client.Channel)

    assert ours._create_client(asynchronous=True) is not ours._create_client(asynchronous=True)


def noted(qos_class: Any) -> Any:
    """The pipeline in which a message is noted as taken, or forgotten."""
    client = import_module("redis").Redis()
    qos = qos_class(SimpleNamespace(conn_or_acquire=lambda given: nullcontext(client), do_restore=False))
    with qos.pipe_or_acquire() as pipe:
        return pipe


def test_kombu_still_notes_each_message_in_a_transaction() -> None:
    """When this fails, kombu has been mended: delete the class QoS and these tests."""
    assert noted(redis.QoS).transaction


def test_here_no_transaction_notes_a_message() -> None:
    assert not noted(redis_client.Channel.QoS).transaction


def test_kombu_still_waits_for_the_answer_to_each_acknowledgement() -> None:
    """When this fails, kombu has been mended: delete all of the class QoS but ``pipe_or_acquire``, and these tests."""
    assert "_remove_from_indices(delivery_tag).execute()" in inspect.getsource(redis.QoS.ack)


class Line:
    """A connection that fails as it is told."""

    def __init__(self, *, ended: bool = False, silent: bool = False, refuses: bool = False) -> None:
        self.ended, self.silent, self.refuses = ended, silent, refuses
        self.did: list[str] = []

    def pack_commands(self, commands: list[Any]) -> list[Any]:
        return commands

    def can_read(self) -> bool:
        return self.ended

    def send_packed_command(self, commands: list[Any]) -> None:
        if self.refuses:
            raise RedisError
        self.did.append("send")

    def read_response(self) -> int:
        if self.silent:
            raise RedisError
        self.did.append("read")
        return 1

    def disconnect(self) -> None:
        self.did.append("disconnect")


class Pipeline:
    """An acknowledgement's two commands; it is told to wait when they have to be sent again."""

    def __init__(self, line: Line) -> None:
        self.command_stack: list[Any] = [(("ZREM",), {}), (("HDEL",), {})]
        self.connection_pool = SimpleNamespace(get_connection=lambda: line)
        self.line = line

    def execute(self) -> None:
        self.line.did.append("wait")


@pytest.mark.parametrize(
    ("fault", "did"),
    [
        ({}, ["send", "read", "read", "send", "read", "read"]),
        ({"ended": True}, ["disconnect", "send", "read", "read", "disconnect", "send", "read", "read"]),
        ({"silent": True}, ["send", "disconnect", "wait", "send", "disconnect", "wait"]),
        ({"refuses": True}, ["disconnect", "wait", "disconnect", "wait"]),
    ],
    ids=["all is well", "ended", "silent", "refuses"],
)
def test_an_acknowledgement_is_sent_and_its_answer_read_before_the_next(fault: dict[str, bool], did: list[str]) -> None:
    line = Line(**fault)
    own: Any = redis_client.QoS
    qos = own(SimpleNamespace(do_restore=False))
    qos._remove_from_indices = lambda tag: Pipeline(line)

    qos.ack("a")
    qos.ack("b")
    qos._vrestore_count = 1  # kombu looks for others' messages in each tenth sweep only
    qos.restore_visible()

    assert line.did == did
    assert qos._dirty == {"a", "b"}


def test_a_message_is_given_back_in_a_transaction_as_by_kombu() -> None:
    own: Any = redis_client.QoS
    pipe = object()
    with own(SimpleNamespace(do_restore=False)).pipe_or_acquire(pipe) as used:
        assert used is pipe


def test_urls_of_redis_take_this_transport() -> None:
    assert isinstance(Connection("redis://localhost").transport, redis_client.Transport)
