"""``/health/`` reports on everything within two seconds, ``/health/web/`` only on what pages need."""

import asyncio
import socket
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus

import pytest
from celery import Celery, current_app
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable
from kombu import Queue

from background.beat.lease import LIFETIME, SCHEDULE, Claim
from background.health import Broker, Database, Schedule, Workers, unserved_queues
from background.models import Lease

# The checks that an eager project does without.
WITH_BROKER = () if settings.CELERY_TASK_ALWAYS_EAGER else ("Broker", "Workers", "Schedule")


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Accepts connections, and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture(params=["redis", "amqp"])
def app(server: socket.socket, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Celery:
    """An app whose broker is that server, and that would wait for it for a minute."""
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)  # it wins over every app's own
    port = server.getsockname()[1]
    if request.param == "amqp":
        options = {}
    else:
        pytest.importorskip("redis")
        options = {"socket_connect_timeout": 60, "socket_timeout": 60}
    app = Celery(broker=f"{request.param}://127.0.0.1:{port}//", set_as_current=False)
    app.conf.update(broker_connection_timeout=60, broker_transport_options=options)
    return app


def seconds_until_it_is_told_unavailable(app: Celery) -> float:
    start = time.monotonic()
    with pytest.raises(ServiceUnavailable):
        Broker(app).run()
    return time.monotonic() - start


def test_a_broker_that_is_silent_is_told_within_two_seconds(app: Celery) -> None:
    assert seconds_until_it_is_told_unavailable(app) < 2


def test_a_broker_that_refuses_is_told_within_two_seconds(app: Celery, server: socket.socket) -> None:
    server.close()

    assert seconds_until_it_is_told_unavailable(app) < 2


def test_a_check_that_fails_is_one_line_of_the_log(app: Celery, caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(Broker(app).get_result())

    (line,) = caplog.records
    assert line.getMessage().startswith("Health check Broker failed: ")
    assert "\n" not in caplog.text.strip()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no server")
@pytest.mark.parametrize("check", [Database, Schedule])
@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_silent_is_told_within_three_seconds(
    check: type[HealthCheck], server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connection.settings_dict, "PORT", server.getsockname()[1])
    connection.close()
    start = time.monotonic()
    with pytest.raises(ServiceUnavailable):
        check().run()

    assert time.monotonic() - start < 3
    assert connection.settings_dict["OPTIONS"]["connect_timeout"] == 5  # pages and tasks are more patient


@pytest.mark.parametrize("check", [Broker, Workers, Schedule])
def test_a_metric_has_no_label_that_changes_with_the_process(check: type[HealthCheck]) -> None:
    assert check().labels == {"check": check.__name__}


@pytest.mark.django_db(transaction=True)
def test_each_check_is_told_by_itself(client: Client, request: pytest.FixtureRequest) -> None:
    if WITH_BROKER:
        request.getfixturevalue("worker")
    Claim(SCHEDULE).take()

    response = client.get("/health/", {"format": "json"})

    assert response.status_code == HTTPStatus.OK
    assert response.json() == {"Database": "OK", **dict.fromkeys(WITH_BROKER, "OK")}


@pytest.mark.usefixtures("worker")
def test_a_queue_that_no_worker_serves_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Workers().run()
    lonely = Queue(f"tests-{uuid.uuid4().hex}", alias="lonely")
    monkeypatch.setitem(current_app.conf, "task_queues", [*current_app.conf.task_queues, lonely])

    with pytest.raises(ServiceUnavailable, match=r"No worker serves the queue lonely\."):
        Workers().run()


def test_a_queue_of_a_broker_that_tells_nothing_is_not_called_unserved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    app = Celery(broker="memory://", set_as_current=False)
    app.conf.task_queues = [Queue("default")]

    assert unserved_queues(app) == []


@pytest.mark.django_db
def test_a_beat_that_has_just_ticked_is_well() -> None:
    Claim(SCHEDULE).take()

    Schedule().run()


@pytest.mark.django_db
def test_no_beat_is_told_apart_from_one_that_ticks_no_longer() -> None:
    with pytest.raises(ServiceUnavailable, match=r"No beat has run yet\."):
        Schedule().run()
    Claim(SCHEDULE).take()
    Lease.objects.update(ticked=Now() - timedelta(minutes=1))
    with pytest.raises(ServiceUnavailable, match=r"No beat has ticked for 6\d seconds\."):
        Schedule().run()


@pytest.mark.django_db
def test_a_hand_over_is_no_illness() -> None:
    Claim(SCHEDULE).take()
    Lease.objects.update(ticked=Now() - timedelta(seconds=LIFETIME + 5), expires=Now())

    Schedule().run()


@pytest.mark.django_db
def test_what_a_load_balancer_asks_does_not_depend_on_the_broker(client: Client) -> None:
    response = client.get("/health/web/", {"format": "json"})

    assert response.json() == {"Database": "OK"}
