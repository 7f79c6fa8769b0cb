"""Fixtures for tests that pass in both modes: eagerly, or through the broker that CELERY_BROKER_URL names.

With a broker, a worker runs in a thread of this process, on the test database. It shares the mail outbox and what a
test patches; it does not see rows that are not committed, so tests whose tasks read the database use
``transaction=True``.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Task
from celery.contrib.testing.worker import start_worker, test_worker_started
from celery.signals import task_postrun, task_prerun
from celery.worker import WorkController, state
from django.conf import settings as project_settings
from django.db import connections

from config import celery_app

PATIENCE = 20  # seconds that a worker gets; only a test that fails waits so long
EAGER = project_settings.CELERY_TASK_ALWAYS_EAGER


@pytest.fixture(scope="session", autouse=True)
def worker(django_db_setup: None) -> Iterator[None]:
    """Run a worker on a queue of this run's own, unless tasks are eager."""
    if EAGER:
        yield
        return
    queue = f"tests-{uuid.uuid4()}"
    celery_app.conf.update(
        task_default_queue=queue,
        worker_hijack_root_logger=False,  # the log and the output are pytest's
        worker_redirect_stdouts=False,
        result_backend_thread_safe=True,  # one backend for both threads: the worker's own would end unclosed
        worker_soft_shutdown_timeout=0,  # nothing is running when the tests are over
    )
    task_postrun.connect(close_connections)
    test_worker_started.connect(wake_often)
    with start_worker(celery_app, perform_ping_check=False):
        yield
    with celery_app.connection_for_write() as connection:
        own = celery_app.amqp.queues[queue](connection.default_channel)
        own.declare()  # Redis forgets only the queue that this connection knows
        own.delete()
        own.exchange.delete()


def wake_often(worker: WorkController, **kwargs: Any) -> None:
    """Make the worker's event loop look around every 20 ms: by itself it may sleep for 10 seconds over RabbitMQ."""
    worker.timer.call_repeatedly(0.02, lambda: None)


def close_connections(**kwargs: Any) -> None:
    """Close the worker's database connections after each task: what the test database is dropped with must be free."""
    connections.close_all()


@pytest.fixture(autouse=True)
def left_over(worker: None) -> Iterator[None]:
    """Let the worker finish, and empty its queue, before the database is emptied for the next test."""
    yield
    if not EAGER:
        celery_app.control.purge()
        wait(lambda: not state.reserved_requests)


def wait(condition: Callable[[], object]) -> None:
    """Return when the condition holds; fail when it does not within ``PATIENCE`` seconds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "The condition did not come to hold."
        time.sleep(0.01)


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object]], None]:
    """Wait until a condition holds. In eager mode it holds at once, or never."""
    return wait


@pytest.fixture
def run() -> Callable[..., Any]:
    """Enqueue a task, wait for its end, and return what it returned or raise what it raised."""

    def enqueue_and_wait(task: Task, *args: Any, **kwargs: Any) -> Any:
        return task.apply_async(args, kwargs, ignore_result=False).get(timeout=PATIENCE, interval=0.01)

    return enqueue_and_wait


@pytest.fixture
def started() -> Iterator[list[str]]:
    """The ids of the tasks that have been started during the test, whoever runs them."""
    ids: list[str] = []

    def note(task_id: str, **kwargs: Any) -> None:
        ids.append(task_id)

    task_prerun.connect(note)
    yield ids
    task_prerun.disconnect(note)
