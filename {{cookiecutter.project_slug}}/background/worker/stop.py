"""A worker stops softly: it takes no more messages, and its tasks have some time to end.

What has not ended then is ended, and goes back into its queue. Celery 5.7.0 sleeps for the whole time in the handler of the
signal, even if no task is left, and what ends meanwhile is not acknowledged before that. Here the handler only counts the
signals, and the worker's loop does the rest. So the worker stops as soon as its last task has ended.
"""

import signal
from contextlib import suppress
from time import monotonic
from typing import Any

from billiard.common import REMAP_SIGTERM
from celery import bootsteps, platforms
from celery.concurrency import prefork
from celery.exceptions import WorkerTerminate
from celery.platforms import EX_FAILURE, EX_OK
from celery.signals import worker_shutting_down
from celery.utils.log import get_logger
from celery.worker import state

logger = get_logger(__name__)

LOOK = 0.25  # seconds between two looks for a signal, and for the end of the last task


class SoftStop:
    """The soft stop of one worker.

    SIGTERM gives the tasks all the time that they want. SIGQUIT and SIGINT limit it, also after a SIGTERM: the first one begins
    their time, the second ends it, and the third ends the worker at once.
    """

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        self.asked_by = ""  # the first signal
        self.limits = 0  # signals that limit the time
        self.has_begun = False
        self.end: float | None = None  # of the tasks' time, on the monotonic clock

    def install(self) -> None:
        """Stop at these signals. With ``REMAP_SIGTERM=SIGQUIT``, SIGTERM is like SIGQUIT."""
        for name in ("SIGINT", "SIGQUIT", "SIGTERM"):
            platforms.signals[name] = (
                self.on_limit if name != "SIGTERM" or REMAP_SIGTERM == "SIGQUIT" else self.on_signal
            )

    def on_signal(self, number: int = 0, frame: Any = None) -> None:
        """Ask the worker's loop to stop."""
        self.asked_by = self.asked_by or (signal.Signals(number).name if number else "a signal")

    def on_limit(self, number: int = 0, frame: Any = None) -> None:
        """Ask the worker's loop to stop within the time for it.

        Raises:
            WorkerTerminate: it is the third. This ends the worker from wherever it is.
        """
        self.on_signal(number, frame)
        self.limits += 1
        if self.limits > 2:
            raise WorkerTerminate(EX_FAILURE)

    def look(self) -> None:
        """Go on with the stop, if one was asked for. The worker's loop calls this again and again."""
        if not self.asked_by or state.should_stop is not None or state.should_terminate is not None:
            return
        if not self.has_begun:
            self.begin()
        if self.limits and self.end is None:
            timeout = self.worker.app.conf.worker_soft_shutdown_timeout
            logger.warning("The tasks of this worker have up to %g seconds to end.", timeout)
            self.end = monotonic() + timeout
        if not state.reserved_requests:
            state.should_stop = EX_OK
        elif self.end is not None and (self.limits > 1 or monotonic() >= self.end):
            self.cut_short()

    def begin(self) -> None:
        """Take no more messages."""
        self.has_begun = True
        logger.warning("The worker stops (%s). It takes no more messages.", self.asked_by)
        worker_shutting_down.send(sender=self.worker.hostname, sig=self.asked_by, how="Warm", exitcode=EX_OK)
        consumer = self.worker.consumer
        if consumer.task_consumer:
            with suppress(*consumer.connection_errors, *consumer.channel_errors):
                consumer.task_consumer.cancel()

    def cut_short(self) -> None:
        """End the tasks, so that their messages go back into their queues. As in ``on_cold_shutdown`` of Celery.

        Only the pool of processes can do that. A greenlet that is ended counts as done (gevent), and a thread can't be ended.
        """
        consumer, left = self.worker.consumer, len(state.reserved_requests)
        if not isinstance(consumer.pool, prefork.TaskPool):
            logger.warning("The worker waits for %d tasks: this pool can't end them.", left)
            state.should_stop = EX_OK
            return
        logger.warning("%d tasks have not ended, and go back into their queues.", left)
        consumer.cancel_active_requests()
        state.should_terminate = EX_FAILURE
        consumer.pool.stop()  # what has ended meanwhile is acknowledged


class SoftStopStep(bootsteps.StartStopStep):
    """Looks for a signal from the worker's timer.

    https://docs.celeryq.dev/en/stable/userguide/extending.html#worker-bootsteps
    """

    requires = ("celery.worker.components:Timer",)

    def start(self, parent: Any) -> None:
        self.entry = parent.timer.call_repeatedly(LOOK, parent.soft_stop.look)

    def stop(self, parent: Any) -> None:
        self.entry.cancel()

    terminate = stop
