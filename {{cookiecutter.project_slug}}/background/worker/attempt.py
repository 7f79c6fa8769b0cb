"""One attempt at a task, in the worker's main process. Celery calls it a request."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery.exceptions import Ignore
from celery.utils.log import get_logger
from celery.worker import state
from celery.worker.request import Request as CeleryRequest

from background.worker.log_ids import with_ids

logger = get_logger(__name__)


class Listeners:
    """Functions that are called with each attempt, in the worker's main process. One that fails is logged, and changes nothing.

    Celery's ``Signal`` does that too. It takes 1.5 µs longer, because it looks for listeners of one sender, and for those that
    are gone.
    """

    def __init__(self) -> None:
        self.functions: tuple[Callable[..., None], ...] = ()

    def add(self, function: Callable[..., None]) -> None:
        self.remove(function)
        self.functions += (function,)

    def remove(self, function: Callable[..., None]) -> None:
        self.functions = tuple(each for each in self.functions if each != function)

    def call(self, *arguments: Any) -> None:
        for function in self.functions:
            try:
                function(*arguments)
            except Exception:
                logger.exception("%r failed. Its task is not touched by that.", function)


# Called with the attempt.
attempt_started = Listeners()
# Called with the attempt; how it has ended: succeeded, failed, retried, requeued (its message goes back), rejected, ignored or
# revoked; for a success its seconds, or None; and for a failure the name of its exception, or "".
attempt_ended = Listeners()


class Request(CeleryRequest):
    """An attempt that logs why a task runs again, that survives a task which runs out of memory, and that tells how it ends."""

    outcome = ""  # how it has ended

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Tell of a success. Celery makes a class for each task, whose ``on_success`` does not call that of its base."""
        super().__init_subclass__(**kwargs)
        if inherited := vars(cls).get("on_success"):

            def on_success(self: Request, failed__retval__runtime: Any, **kwargs: Any) -> Any:
                failed, _, runtime = failed__retval__runtime
                if not failed:
                    self.tell("succeeded", runtime=runtime)
                return inherited(self, failed__retval__runtime, **kwargs)

            cls.on_success = on_success

    def tell(self, outcome: str, runtime: float | None = None, exception: str = "") -> None:
        """Tell who listens how the attempt has ended, once."""
        if not self.outcome:
            self.outcome = outcome
            attempt_ended.call(self, outcome, runtime, exception)

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Log it for a message that was delivered before, and for a retry. A task that runs once adds no line."""
        super().on_accepted(pid, time_accepted)
        attempt_started.call(self)
        attempt = self.request_dict.get("retries", 0) + 1
        redelivered = self.delivery_info.get("redelivered")
        if redelivered or attempt > 1:
            reason = (
                "redelivered: a worker had taken its message and did not acknowledge it" if redelivered else "a retry"
            )
            with with_ids(self.id, self.request_dict):
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
        if isinstance(error, Ignore):
            self.tell("ignored")
        elif not self._already_cancelled:
            self.tell("failed", exception=type(error).__name__)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Tell those who listen for failures which attempt took too long."""
        with self.known():
            super().on_timeout(soft, timeout)
        if not soft and not state.should_terminate:
            self.tell("failed", exception="TimeLimitExceeded")

    def on_retry(self, exc_info: Any) -> None:
        self.tell("retried")
        super().on_retry(exc_info)

    def reject(self, requeue: bool = False) -> None:
        self.tell("requeued" if requeue else "rejected")
        super().reject(requeue)

    def _retry_worker_lost(self, exc: Exception, exc_info: Any) -> bool:
        is_retried: bool = super()._retry_worker_lost(exc, exc_info)
        if is_retried:
            self.tell("retried")
        return is_retried

    def _success_was_stored(self) -> Any:
        if stored := super()._success_was_stored():
            self.tell("succeeded")
        return stored

    def _announce_revoked(self, *args: Any) -> None:
        self.tell("revoked")
        super()._announce_revoked(*args)

    @contextmanager
    def known(self) -> Iterator[None]:
        """While this lasts, ``task.request`` is this attempt. Celery 5.7 sees to that only for a process that was lost."""
        self.task.request_stack.push(self._context)
        try:
            with with_ids(self.id, self.request_dict):
                yield
        finally:
            self.task.request_stack.pop()
