"""What is tested only where it is installed, and a schedule for the tests of it."""

import os
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any

import pytest
from celery.schedules import crontab, solar
from django_celery_beat.clockedschedule import clocked

from background.beat.scheduler import Scheduler
from config import celery_app

# Redis and its transport: a project with RabbitMQ has no use for them.
collect_ignore = [] if find_spec("redis") else ["broker/test_redis_reconnect.py", "broker/test_redis_delivery.py"]


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """What the settings say, for a test to change: an entry of each kind, whatever the project's own settings hold."""
    entries = {
        "a-time-of-day": {"task": "a", "schedule": crontab(hour=7, minute=30)},
        "a-length-of-time": {"task": "b", "schedule": timedelta(minutes=10)},
        "an-event-of-the-sun": {"task": "c", "schedule": solar("sunset", 51.4769, 0.0), "kwargs": {"months": 1}},
        "a-moment": {"task": "d", "schedule": clocked(datetime(2030, 1, 1, tzinfo=UTC)), "one_off": True},
    }
    monkeypatch.setitem(celery_app.conf, "beat_schedule", entries)
    return entries


@pytest.fixture(params=["refused", "silent"])
def away(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The environment of a process whose broker's port refuses connections, or accepts them and never answers."""
    scheme = "redis" if find_spec("redis") else "amqp"
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if request.param == "silent":
            server.listen()
        url = f"{scheme}://127.0.0.1:{server.getsockname()[1]}/"
        yield {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings.development",
            "CELERY_BROKER_URL": url,
            "CELERY_RESULT_BACKEND": url if scheme == "redis" else "",
        }


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Scheduler]:
    """Start a beat inside the test, without a service that ticks it."""
    # beat closes old connections and ends transactions: the test's own would go with them.
    for module in ("django_celery_beat.schedulers", "background.beat.leadership"):
        monkeypatch.setattr(f"{module}.close_old_connections", lambda: None)
    monkeypatch.setattr("django_celery_beat.schedulers.transaction.commit", lambda: None)
    return lambda: Scheduler(app=celery_app)
