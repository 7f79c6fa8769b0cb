"""A file with the state of a worker or beat. ``background/probe/healthcheck.sh`` reads it for a container's probe.

The file is touched from the worker's event loop and at beat's tick. A thread of its own would touch it even when they
hang. A process must not be killed because the broker is down. So the file is also touched while the process waits for
the broker, and says that it waits. Nothing is written unless ``CELERY_HEARTBEAT_FILE`` names the file.
"""

import os
import time
from pathlib import Path
from typing import Any

from celery import bootsteps

INTERVAL = 10.0  # seconds; the probe allows 30
TURN = 1.0  # seconds
VARIABLE = "CELERY_HEARTBEAT_FILE"
READY = "ready"
WAITING = "waiting for the broker"


state = ""  # what was said last
turned = 0.0  # when the process's loop turned last, on time.monotonic


def turn() -> None:
    """The process's loop turns. It calls this, or ``say``, about once a second."""
    global turned
    turned = time.monotonic()


def silence() -> float:
    """Seconds since the process's loop has turned."""
    return time.monotonic() - turned


def is_asked_for() -> bool:
    """Whether the environment names a file."""
    return bool(os.environ.get(VARIABLE))


def say(new_state: str) -> None:
    """Note the state of the process, and write it if a file is named. That is replaced, so a probe never reads half of it."""
    global state
    state = new_state
    turn()
    if is_asked_for():
        file = Path(os.environ[VARIABLE])
        new = file.with_name(f"{file.name}.new")
        new.write_text(f"{new_state}\n", encoding="utf-8")
        new.replace(file)


def say_waiting() -> None:
    """Report that the process waits for its broker. Until then neither the worker's timer nor beat's tick runs."""
    say(WAITING)


class WorkerHeartbeat(bootsteps.StartStopStep):
    """Touches the file from the worker's timer.

    https://docs.celeryq.dev/en/stable/userguide/extending.html#worker-bootsteps
    """

    requires = ("celery.worker.components:Timer",)
    entry: Any = None

    def include_if(self, parent: Any) -> bool:
        return is_asked_for()

    def start(self, parent: Any) -> None:
        say_waiting()
        self.entry = parent.timer.call_repeatedly(INTERVAL, Path(os.environ[VARIABLE]).touch, priority=10)

    def stop(self, parent: Any) -> None:
        if self.entry:
            self.entry.cancel()
        Path(os.environ[VARIABLE]).unlink(missing_ok=True)

    terminate = stop  # SIGQUIT's cold shutdown calls this one


class ConsumerReadiness(bootsteps.StartStopStep):
    """Reports that the worker is ready while it consumes, and that it waits when its connection is lost.

    https://docs.celeryq.dev/en/stable/userguide/extending.html#consumer
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        say(READY)

    def stop(self, parent: Any) -> None:
        say_waiting()
