"""The pool of processes, when its worker is stopped or loses its broker.

Celery 5.7.0 forgets each task that no process has accepted yet, also one that was already written to a process
(``AsynPool.flush``). The process runs it, and no one reads that it is done. So its message is given back and it runs again,
and the process waits for 30 seconds to be heard (``billiard.pool.Worker._ensure_messages_consumed``).

systemd and terminals send a signal to all processes of a worker. SIGTERM ends a process of Celery's pool with its task. Here
only the worker is asked to stop, and its processes are ended by SIGQUIT, which the worker sends.
"""

import os
import signal
from contextlib import suppress
from typing import Any

from billiard.context import Process
from celery.concurrency import asynpool, prefork


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


class Pool(asynpool.AsynPool):
    """The processes, and the tasks that they have."""

    Worker = PoolWorker

    def Process(self, *args: Any, **kwargs: Any) -> ForkProcess:  # noqa: N802 - as billiard has it
        return ForkProcess(*args, **kwargs)

    def terminate_job(self, pid: int, sig: int | None = None) -> None:
        super().terminate_job(pid, signal.SIGQUIT if sig in (None, signal.SIGTERM) else sig)

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


class TaskPool(prefork.TaskPool):
    """Celery's pool, with the processes above."""

    Pool = Pool
