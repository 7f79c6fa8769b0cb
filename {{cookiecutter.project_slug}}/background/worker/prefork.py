"""The pool of processes, when its worker is stopped or loses its broker, and when a process ends.

Celery 5.7.0 forgets each task that no process has accepted yet, also one that was already written to a process
(``AsynPool.flush``). The process runs it, and no one reads that it is done. So its message is given back and it runs again,
and the process waits for 30 seconds to be heard (``billiard.pool.Worker._ensure_messages_consumed``).

systemd and terminals send a signal to all processes of a worker. SIGTERM ends a process of Celery's pool with its task. Here
only the worker is asked to stop, and its processes are ended by SIGQUIT, which the worker sends.

A process is replaced when it has run its number of tasks, has taken too much memory, or was ended with its task. Until then a
part of the worker does nothing: in Celery's pool for a second, if SIGTERM is ignored, and in one case of two for up to five
more.
"""

import gc
import heapq
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from billiard.context import Process
from celery.concurrency import asynpool, prefork

MANY = 1000  # entries of a timer, from which on it is looked through
SOON = 0.05  # seconds, in which a process that closes its files has ended


class ForkProcess(Process):
    """A process of the pool, as its worker sees it."""

    def terminate(self) -> None:
        """Ask the process to end. It ignores SIGTERM."""
        self._check_closed()
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGQUIT)


class PoolWorker(asynpool.Worker):
    """What runs in a process of the pool."""

    def after_fork(self) -> None:
        super().after_fork()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def _do_exit(self, pid: int, exitcode: int | None, exc: BaseException | None = None) -> None:
        """End this process. billiard asks the worker for a SIGTERM, which is ignored here, and waits a second for it."""
        code = int(exc is not None) if exitcode is None else exitcode
        try:
            if self.on_exit:
                self.on_exit(pid, code)
        finally:
            os._exit(code)


class Pool(asynpool.AsynPool):
    """The processes, and the tasks that they have."""

    Worker = PoolWorker
    on_timeout_set: Callable[..., None]  # called when a process begins a task with a time limit
    many = MANY

    def Process(self, *args: Any, **kwargs: Any) -> ForkProcess:  # noqa: N802 - as billiard has it
        return ForkProcess(*args, **kwargs)

    def terminate_job(self, pid: int, sig: int | None = None) -> None:
        super().terminate_job(pid, signal.SIGQUIT if sig in (None, signal.SIGTERM) else sig)

    def _create_timelimit_handlers(self, hub: Any) -> None:
        """Forget the time limit of a task that has ended.

        Celery 5.7.0 only marks its entry in the timer, which keeps it until the limit would have passed. With 270
        seconds and a thousand tasks a second these are 270,000 entries, of which each takes 0.6 KB, and which the
        collector of garbage goes through (https://github.com/celery/celery/issues/5200).
        """
        super()._create_timelimit_handlers(hub)
        begin = self.on_timeout_set

        def on_timeout_set(*args: Any) -> None:
            if len(hub.timer) > self.many:
                self.many = MANY + 2 * forget_cancelled(hub.timer)
            begin(*args)

        self.on_timeout_set = on_timeout_set

    def _event_process_exit(self, hub: Any, proc: Any) -> None:
        """Replace a process that has ended.

        Celery 5.7.0 looks once when the process has closed its files. The system says shortly after this that it has ended,
        and Celery would see that up to five seconds later (https://github.com/celery/celery/issues/9588).
        """
        super()._event_process_exit(hub, proc)
        if proc in self._pool:
            hub.call_later(SOON, self._event_process_exit, hub, proc)

    def flush(self) -> None:
        """Forget the tasks that no process has. A task that was written to a process counts as accepted by it."""
        written = [job for job in self._cache.values() if job._write_to and not job._accepted]
        for job in written:
            job._accepted = True
        try:
            super().flush()
        finally:
            for job in written:
                job._accepted = job._time_accepted is not None


def forget_cancelled(timer: Any) -> int:
    """Take cancelled entries out of a timer; return how many are left."""
    timer._queue[:] = [each for each in timer._queue if not each.entry.canceled]
    heapq.heapify(timer._queue)
    return len(timer)


class TaskPool(prefork.TaskPool):
    """Celery's pool, with the processes above."""

    Pool = Pool

    def on_start(self) -> None:
        """Start the processes. What is in memory now stays, so no collector of garbage need go through it.

        Celery collects garbage before it starts each process (``AsynPool._create_worker_process``). That writes to all that
        the worker has in memory, which the processes before it share no longer. Four idle processes and their worker
        took 234 MB so, and take 133 MB (benchmarks/throughput of the template).
        https://docs.python.org/3/library/gc.html#gc.freeze
        """
        gc.freeze()
        super().on_start()
