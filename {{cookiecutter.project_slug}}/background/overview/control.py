"""What a person asks of a worker, over the broker."""

import os
import signal
from typing import Any

from celery import Celery
from celery.worker.control import control_command
from health_check.exceptions import ServiceUnavailable

from background.probe.broker import connected

PATIENCE = 0.7  # seconds for the worker's answer


class WorkerSilentError(Exception):
    """The worker did not answer, or the broker is away. It may still do what it was asked."""


def cancel(app: Celery, worker: str, task_id: str) -> None:
    """End a task that this worker runs.

    Raises:
        WorkerSilentError: the worker did not answer.
    """
    ask(app, worker, "revoke", task_id=task_id, terminate=True, signal="SIGTERM")


def stop_softly(app: Celery, worker: str) -> None:
    """Ask a worker to stop as SIGQUIT does.

    Raises:
        WorkerSilentError: the worker did not answer.
    """
    ask(app, worker, "stop_softly")


def ask(app: Celery, worker: str, command: str, **arguments: Any) -> None:
    try:
        with connected(app) as connection:
            answers = app.control.broadcast(
                command,
                arguments=arguments,
                destination=[worker],
                reply=True,
                timeout=PATIENCE,
                limit=1,
                connection=connection,
            )
    except ServiceUnavailable as error:
        raise WorkerSilentError(str(error)) from error
    if not answers:
        raise WorkerSilentError(
            f"The worker {worker} does not answer. It may still do what it was asked, as soon as it can."
        )


@control_command(name="stop_softly")
def on_stop_softly(state: Any) -> dict[str, str]:
    """Stop this worker: what runs has the time of the soft shutdown to end."""
    os.kill(os.getpid(), signal.SIGQUIT)
    return {"ok": "the worker stops"}
