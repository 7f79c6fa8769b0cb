"""A file that says how a worker or beat is, for a container's probe: ``sh background/healthcheck.sh live|ready``.

The file is touched from the worker's event loop and from beat's tick, not from a thread of its own, so it grows old
when either hangs. A broker that is away is no reason to be killed, so the file is touched too while the process waits
for it, and says that it waits. Nothing is written unless ``CELERY_HEARTBEAT_FILE`` names the file.
"""

import os
import time
from pathlib import Path
from typing import Any

from celery import Celery, bootsteps
from celery.signals import beat_init

INTERVAL = 10.0  # seconds; the probe allows 30
VARIABLE = "CELERY_HEARTBEAT_FILE"
READY = "ready"
WAITING = "waiting for the broker"


def say(state: str) -> None:
    """Write how the process is. The file is replaced, so that a probe never reads half of it."""
    file = Path(os.environ[VARIABLE])
    new = file.with_name(f"{file.name}.new")
    new.write_text(f"{state}\n", encoding="utf-8")
    new.replace(file)


def say_while_connecting(connection: Any) -> Any:
    """Make a connection of kombu's say that it waits, in each second in which it does, and return it.

    Neither the worker's timer nor beat's tick runs until there is a connection. kombu calls back after each attempt, and
    every second between two (``kombu/utils/functional.py``, ``retry_over_time``).
    """
    ensure_connection = connection.ensure_connection

    def saying(errback: Any = None, max_retries: int | None = None, callback: Any = None, **options: Any) -> Any:
        def call_back() -> None:
            say(WAITING)
            if callback:
                callback()

        return ensure_connection(errback, max_retries, callback=call_back, **options)

    connection.ensure_connection = saying
    return connection


class WorkerHeartbeat(bootsteps.StartStopStep):
    """Touches the file from the worker's timer.

    https://docs.celeryq.dev/en/stable/userguide/extending.html#worker-bootsteps
    """

    requires = ("celery.worker.components:Timer",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        self.file = Path(os.environ[VARIABLE])
        self.entry: Any = None

    def start(self, parent: Any) -> None:
        say(WAITING)
        self.entry = parent.timer.call_repeatedly(INTERVAL, self.file.touch, priority=10)

    def stop(self, parent: Any) -> None:
        if self.entry:
            self.entry.cancel()
        self.file.unlink(missing_ok=True)

    terminate = stop  # a cold shutdown, as SIGQUIT asks for, calls this one


class ConsumerReadiness(bootsteps.StartStopStep):
    """Says that the worker is ready from when it consumes, and no longer when its connection is lost.

    https://docs.celeryq.dev/en/stable/userguide/extending.html#consumer
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        ensure_connected = parent.ensure_connected
        parent.ensure_connected = lambda connection: ensure_connected(say_while_connecting(connection))

    def start(self, parent: Any) -> None:
        say(READY)

    def stop(self, parent: Any) -> None:
        say(WAITING)


def say_at_each_tick(sender: Any, **kwargs: Any) -> None:
    """Make beat's scheduler, of whatever class, say that it lives whenever it looks for entries that are due."""
    scheduler = sender.scheduler
    tick = scheduler.tick
    say_while_connecting(scheduler.connection)
    said, when = "", 0.0

    def saying_tick(*args: Any, **kwargs: Any) -> Any:
        nonlocal said, when
        state, now = getattr(scheduler, "state", READY), time.monotonic()
        if state != said or now - when >= 1:  # a tick for each entry can be hundreds a second
            say(state)
            said, when = state, now
        return tick(*args, **kwargs)

    scheduler.tick = saying_tick


def install(app: Celery) -> None:
    """Give the app's workers and beats a heartbeat, where the environment asks for one."""
    if os.environ.get(VARIABLE):
        app.steps["worker"].add(WorkerHeartbeat)
        app.steps["consumer"].add(ConsumerReadiness)
        beat_init.connect(say_at_each_tick)
