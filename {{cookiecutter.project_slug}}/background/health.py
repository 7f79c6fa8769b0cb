"""What ``/health/`` tells people and monitoring, and the smaller part of it that decides whether pages are answered.

A broker that is away must not take the web server out of service: pages still answer. So a container's probe and a load
balancer ask ``/health/web/``, and only people and monitoring ask ``/health/``.
"""

import dataclasses
from datetime import timedelta

import django.db
from celery import Celery
from celery.app import app_or_default
from django.conf import settings
from django.db import connection
from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable
from kombu.exceptions import OperationalError

from background.beat import lease
from background.broker.connection import with_timeout

PATIENCE = 0.5  # seconds, for the connection and for each answer: a silent broker is told within two


@dataclasses.dataclass
class Broker(HealthCheck):
    """Connects to the broker of ``CELERY_BROKER_URL``, whichever kind it is, and hears from it."""

    app: Celery = dataclasses.field(default_factory=app_or_default, repr=False)
    timeout = timedelta(seconds=2 * PATIENCE)

    def run(self) -> None:
        """Make a new connection, and close it.

        Raises:
            ServiceUnavailable: the broker refused, or said nothing.
        """
        quicker = with_timeout(self.app.conf.broker_transport_options, PATIENCE)
        with self.app.connection_for_write(connect_timeout=PATIENCE, transport_options=quicker) as connection:
            try:
                connection.ensure_connection(max_retries=0)
            except OperationalError as error:
                raise ServiceUnavailable("The broker is away.") from error


@dataclasses.dataclass
class Schedule(HealthCheck):
    """Asks the lease of the schedule whether a beat sends what is due."""

    # The longest without a tick: a hand-over takes up to 15 seconds.
    silence: timedelta = dataclasses.field(default=timedelta(seconds=30), repr=False)

    def run(self) -> None:
        """Ask the database in one query.

        Raises:
            ServiceUnavailable: no beat has ever led, or none has ticked for longer than ``silence``.
        """
        try:
            with connection.temporary_connection():
                tenure = lease.tenure(lease.SCHEDULE)
        except django.db.Error as error:
            raise ServiceUnavailable("The database is away.") from error
        if tenure is None:
            raise ServiceUnavailable("No beat has ever run.")
        if tenure.age > self.silence:
            raise ServiceUnavailable(f"No beat has ticked for {tenure.age.total_seconds():.0f} seconds.")


# What a page needs.
WEB_CHECKS = ["health_check.Database"]

# Where tasks are eager there is no broker to be asked, and nobody has to run beat.
WITH_BROKER = ["background.health.Broker", "background.health.Schedule"]
CHECKS = WEB_CHECKS if settings.CELERY_TASK_ALWAYS_EAGER else [*WEB_CHECKS, *WITH_BROKER]
