"""A file that is touched while a worker or beat is alive, for a container's probe: ``find FILE -mmin -0.5``.

The file is touched from the worker's event loop and from beat's tick, not from a thread of its own, so it grows old
when either hangs. Nothing is written unless ``CELERY_HEARTBEAT_FILE`` names the file.
"""

import os
from pathlib import Path
from typing import Any

from celery import Celery, bootsteps
from celery.signals import beat_init

INTERVAL = 10.0  # seconds; a probe allows 30
VARIABLE = "CELERY_HEARTBEAT_FILE"


class WorkerHeartbeat(bootsteps.StartStopStep):
    """Touches the file from the worker's timer.

    https://docs.celeryq.dev/en/stable/userguide/extending.html#worker-bootsteps
    """

    requires = ("celery.worker.components:Timer",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        self.file = Path(os.environ[VARIABLE])
        self.entry: Any = None

    def start(self, parent: Any) -> None:
        self.file.touch()
        self.entry = parent.timer.call_repeatedly(INTERVAL, self.file.touch, priority=10)

    def stop(self, parent: Any) -> None:
        if self.entry:
            self.entry.cancel()
        self.file.unlink(missing_ok=True)

    terminate = stop  # a cold shutdown, as SIGQUIT asks for, calls this one


def touch_at_each_tick(sender: Any, **kwargs: Any) -> None:
    """Make beat's scheduler, of whatever class, touch the file whenever it looks for entries that are due."""
    file, tick = Path(os.environ[VARIABLE]), sender.scheduler.tick

    def touching_tick(*args: Any, **kwargs: Any) -> Any:
        file.touch()
        return tick(*args, **kwargs)

    sender.scheduler.tick = touching_tick


def install(app: Celery) -> None:
    """Give the app's workers and beats a heartbeat, where the environment asks for one."""
    if os.environ.get(VARIABLE):
        app.steps["worker"].add(WorkerHeartbeat)
        beat_init.connect(touch_at_each_tick)
