"""The Celery app of the project: all that it changes about Celery, a line each.

``UPSTREAM.md`` beside this file says of each override which version it was read in, and when it can go. Settings are in
``config/settings/celery.py``, and the scheduler is one of them (``CELERY_BEAT_SCHEDULER``).
"""

from functools import cached_property
from typing import Any

from celery import Celery

from background.probe.heartbeat import ConsumerReadiness, WorkerHeartbeat


class App(Celery):
    """Celery as this project runs it."""

    # Enqueueing fails within two seconds when the broker is away, and eager mode is as close to a worker as it can be.
    task_cls = "background.task:Task"

    # A lost broker is looked for every two seconds, and Redis and Valkey have a transport of the project's own.
    amqp_cls = "background.broker.connection:AMQP"

    @cached_property
    def Worker(self) -> Any:  # noqa: N802 - as Celery has it
        """A worker refuses to run without a broker, and is patient with a slow one."""
        return self.subclass_with_self("background.worker.process:Worker")

    @cached_property
    def Beat(self) -> Any:  # noqa: N802 - as Celery has it
        """A beat finishes what it does when it is stopped, and says at each tick that it lives."""
        return self.subclass_with_self("background.beat.process:Beat")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A worker says that it lives, and whether it is ready, in a file that a container's probe reads.
        self.steps["worker"].add(WorkerHeartbeat)
        self.steps["consumer"].add(ConsumerReadiness)
