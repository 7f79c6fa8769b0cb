"""A channel to Redis uses one client for all its messages, and no transaction to note one."""

from contextlib import nullcontext
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from kombu.connection import Connection
from kombu.transport import redis

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


def test_a_message_is_given_back_in_a_transaction_as_by_kombu() -> None:
    own: Any = redis_client.QoS
    pipe = object()
    with own(SimpleNamespace(do_restore=False)).pipe_or_acquire(pipe) as used:
        assert used is pipe


def test_urls_of_redis_take_this_transport() -> None:
    assert isinstance(Connection("redis://localhost").transport, redis_client.Transport)
