"""``/health/`` for people and monitoring, and ``/health/web/`` for what decides whether the web server gets requests.

If the broker is down, pages still work, so the web server must stay in service. A container's probe and a load balancer
therefore ask ``/health/web/``. Only people and monitoring ask ``/health/``.
"""

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from datetime import timedelta

import django.db
from celery import Celery
from celery.app import app_or_default
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from health_check import checks
from health_check.base import HealthCheck
from health_check.exceptions import HealthCheckException, ServiceUnavailable
from health_check.views import HealthCheckView

from background.beat import lease
from background.probe import queues
from background.probe.broker import PATIENCE, connected

DATABASE_PATIENCE = 2  # seconds, for the connection: libpq allows no less


class Named:
    """A check that people know by the name of its class."""

    def __repr__(self) -> str:
        return type(self).__name__


@dataclasses.dataclass(repr=False)
class Database(Named, checks.Database):
    """Asks the database."""

    def run(self) -> None:
        """Send it a query.

        Raises:
            ServiceUnavailable: the database refused the connection, or did not answer.
        """
        with impatient():
            super().run()


@contextlib.contextmanager
def impatient() -> Iterator[BaseDatabaseWrapper]:
    """Within it, this thread's connection to the database is one that is opened with little patience."""
    usual = connections[DEFAULT_DB_ALIAS]
    quicker = usual.copy() if usual.connection is None else usual  # a test has its own open
    if quicker is not usual and quicker.vendor == "postgresql":
        quicker.settings_dict["OPTIONS"]["connect_timeout"] = DATABASE_PATIENCE
    connections[DEFAULT_DB_ALIAS] = quicker
    try:
        yield quicker
    finally:
        connections[DEFAULT_DB_ALIAS] = usual


@dataclasses.dataclass(repr=False)
class OfBroker(Named, HealthCheck):
    """A check that asks the broker of an app. What is not shown in ``repr`` is no label of a metric either."""

    app: Celery = dataclasses.field(default_factory=app_or_default, repr=False)
    timeout = timedelta(seconds=2 * PATIENCE)


@dataclasses.dataclass(repr=False)
class Broker(OfBroker):
    """Connects to the broker of ``CELERY_BROKER_URL``, of any kind, and waits for its answer."""

    def run(self) -> None:
        """Make a new connection, and close it.

        Raises:
            ServiceUnavailable: the broker refused the connection, or did not answer.
        """
        with connected(self.app):
            pass


@dataclasses.dataclass(repr=False)
class Workers(OfBroker):
    """Tells whether a worker serves each queue of the settings, as far as the broker knows."""

    def run(self) -> None:
        """Ask the broker over a new connection.

        Raises:
            ServiceUnavailable: no worker serves a queue, or the broker is away.
        """
        if names := unserved_queues(self.app):
            raise ServiceUnavailable(f"No worker serves the queue {' or '.join(names)}.")


def unserved_queues(app: Celery) -> list[str]:
    """The queues of the settings that no worker serves. On Redis a worker that has ended counts for another minute.

    Raises:
        ServiceUnavailable: the broker refused the connection, or did not answer.
    """
    if app.conf.task_always_eager:
        return []
    with connected(app) as connection:
        try:
            return queues.unserved(app, connection)
        except connection.recoverable_connection_errors as error:
            raise ServiceUnavailable("The broker is unreachable.") from error


@dataclasses.dataclass(repr=False)
class Schedule(Named, HealthCheck):
    """Tells from the lease of the schedule whether a beat sends what is due."""

    # The longest without a tick: a hand-over takes up to 15 seconds.
    silence: timedelta = dataclasses.field(default=timedelta(seconds=30), repr=False)

    def run(self) -> None:
        """Ask the database in one query.

        Raises:
            ServiceUnavailable: no beat has ever led, or none has ticked for longer than ``silence``.
        """
        try:
            with impatient() as connection, connection.temporary_connection():
                tenure = lease.tenure(lease.SCHEDULE)
        except django.db.Error as error:
            raise ServiceUnavailable("The database is unreachable.") from error
        if tenure is None:
            raise ServiceUnavailable("No beat has run yet.")
        if tenure.age > self.silence:
            raise ServiceUnavailable(f"No beat has ticked for {tenure.age.total_seconds():.0f} seconds.")


class HealthView(HealthCheckView):
    """The page of django-health-check in the project's name. ``?format=json`` and the like are the library's."""

    template_name = "background/health.html"
    extra_context = {"project_name": settings.PROJECT_NAME}


def say_in_one_line(record: logging.LogRecord) -> bool:
    """A filter of logs: why a check failed, without the traceback. Monitoring asks every few seconds."""
    error = record.exc_info and record.exc_info[1]
    if isinstance(error, HealthCheckException | TimeoutError):
        reason = " ".join(str(error.__cause__ or error).split()) or "it took too long"
        record.msg, record.args = "%s: %s", (record.getMessage(), reason)
        record.exc_info = None
    return True


logging.getLogger("health_check").addFilter(say_in_one_line)

# What a page needs.
WEB_CHECKS = ["background.health.Database"]

# With eager tasks the project needs neither a broker nor beat.
WITH_BROKER = ["background.health.Broker", "background.health.Workers", "background.health.Schedule"]
CHECKS = WEB_CHECKS if settings.CELERY_TASK_ALWAYS_EAGER else [*WEB_CHECKS, *WITH_BROKER]
