"""A lost connection to Redis is a connection error at every moment."""

from types import SimpleNamespace
from typing import Any

import pytest
from kombu.transport import redis

from background.broker import redis_reconnect
from background.broker.connection import Connection


def closing(channel_class: Any) -> Any:
    """A channel whose virtual connection has been taken from its client, as while a lost connection is closed."""
    channel = channel_class.__new__(channel_class)
    channel.connection = SimpleNamespace(client=None)
    channel._registered = False
    channel.closed = True
    return channel


def test_the_fault_is_still_there_in_kombu() -> None:
    """When this fails, kombu is fixed: delete background/broker/redis_reconnect.py, its mentions and these tests."""
    with pytest.raises(AttributeError):
        closing(redis.Channel)._connparams()


def test_it_is_a_connection_error_here() -> None:
    channel = closing(redis_reconnect.Channel)

    with pytest.raises(ConnectionError) as error:
        channel._connparams()
    assert isinstance(error.value, redis_reconnect.Transport.connection_errors)


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_urls_of_redis_take_this_transport(scheme: str) -> None:
    assert isinstance(Connection(f"{scheme}://localhost").transport, redis_reconnect.Transport)
