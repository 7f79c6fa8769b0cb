"""One Redis client a channel, where kombu makes one for each message that is sent, taken or acknowledged.

kombu 5.7.0, ``Channel._create_client`` (``kombu/transport/redis.py:2047``): redis-py fills a table of some 170 functions
in each new client, which takes longer than to speak to Redis, and an eighth of a busy worker's time. A client only
borrows connections from its pool, so that one will do for as long as the channel has that pool.

Delete this file and its mention in config/celery.py when kombu keeps its client: the test that goes with it then fails.
"""

from typing import Any

from background import reconnect


class Channel(reconnect.Channel):
    """A channel that keeps its client."""

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
