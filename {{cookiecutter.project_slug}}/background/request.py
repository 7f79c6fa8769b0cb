"""What a worker does when a task of the project has failed."""

from typing import Any

from celery.worker.request import Request as CeleryRequest


class Request(CeleryRequest):
    """A task's request whose failure for want of memory is a failure like any other.

    Celery 5.7.0 raises a ``MemoryError`` of a task once more in the worker's main process (``on_failure`` in
    ``celery/worker/request.py:680``), which ends the whole worker. Its message is not acknowledged, so it comes back and
    ends the next worker. By then the process that ran the task has stored the failure and given the memory back.
    """

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:
        """Acknowledge a task that failed, or have it tried again when its process was lost."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, MemoryError):
            exc_info.exception = RuntimeError(f"The task ran out of memory: {error!r}")
        super().on_failure(exc_info, send_failed_event, return_ok)
