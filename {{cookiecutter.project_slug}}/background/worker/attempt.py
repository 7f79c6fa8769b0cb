"""One attempt at a task, in the worker's main process. Celery calls it a request."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery.utils.log import get_logger
from celery.worker.request import Request as CeleryRequest

logger = get_logger(__name__)


class Request(CeleryRequest):
    """An attempt that logs why a task runs again, and that survives a task which runs out of memory."""

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Log it for a message that was delivered before, and for a retry. A task that runs once adds no line."""
        super().on_accepted(pid, time_accepted)
        attempt = self.request_dict.get("retries", 0) + 1
        redelivered = self.delivery_info.get("redelivered")
        if redelivered or attempt > 1:
            reason = (
                "redelivered: a worker had taken its message and did not acknowledge it" if redelivered else "a retry"
            )
            logger.info("Task %s[%s] runs again (%s), attempt %d.", self.name, self.id, reason, attempt)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:
        """Acknowledge a task that failed, or have it tried again if its process was lost.

        Celery 5.7.0 raises a task's ``MemoryError`` again in the worker's main process (``on_failure`` in
        ``celery/worker/request.py:680``), which ends the whole worker. The message is not acknowledged, so it comes
        back and ends the next worker. By then the process that ran the task has stored the failure and freed the
        memory.
        """
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, MemoryError):
            exc_info.exception = RuntimeError(f"The task ran out of memory: {error!r}")
        with self.known():
            super().on_failure(exc_info, send_failed_event, return_ok)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Tell those who listen for failures which attempt took too long."""
        with self.known():
            super().on_timeout(soft, timeout)

    @contextmanager
    def known(self) -> Iterator[None]:
        """While this lasts, ``task.request`` is this attempt. Celery 5.7 sees to that only for a process that was lost."""
        self.task.request_stack.push(self._context)
        try:
            yield
        finally:
            self.task.request_stack.pop()
