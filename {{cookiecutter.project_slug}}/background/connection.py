"""A worker looks for its lost broker every two seconds."""

from typing import Any

from celery.app import amqp
from kombu import connection

RETRY_INTERVAL = 2  # seconds


class Connection(connection.Connection):
    """A connection whose attempts do not grow rarer.

    Celery 5.7 waits 2, 4, 6 and at last 30 seconds between attempts (the defaults of kombu's ``_ensure_connection``), and
    has no setting for it: a worker would do nothing for half a minute after its broker is back.
    """

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Connect, trying again as often as the caller says, at these intervals unless the caller has others."""
        intervals = dict.fromkeys(("interval_start", "interval_max"), RETRY_INTERVAL)
        kombu: Any = super()
        return kombu.ensure_connection(*args, **{**intervals, **kwargs})


class AMQP(amqp.AMQP):
    """What the Celery app makes its connections by."""

    Connection = Connection
