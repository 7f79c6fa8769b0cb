"""A connection to the broker for a question that must not take long."""

import contextlib
from collections.abc import Iterator
from typing import Any

from celery import Celery
from health_check.exceptions import ServiceUnavailable
from kombu.exceptions import OperationalError

from background.broker.connection import with_timeout

PATIENCE = 0.5  # seconds, for the connection and for each answer: a silent broker is reported within two seconds


@contextlib.contextmanager
def connected(app: Celery) -> Iterator[Any]:
    """A new connection to the broker, with little patience.

    Raises:
        ServiceUnavailable: the broker refused the connection, or did not answer.
    """
    quicker = with_timeout(app.conf.broker_transport_options, PATIENCE)
    with app.connection_for_write(connect_timeout=PATIENCE, transport_options=quicker) as connection:
        try:
            connection.ensure_connection(max_retries=0)
        except OperationalError as error:
            raise ServiceUnavailable("The broker is unreachable.") from error
        yield connection
