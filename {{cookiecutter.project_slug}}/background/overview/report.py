"""A thread of a worker or a beat that writes into the database what the process does."""

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import django.db
from celery import bootsteps
from celery.utils.log import get_logger
from celery.worker import state
from django.db.models.functions import Now

from background.overview.models import RunningProcess
from background.probe import heartbeat
from background.registry import queue_names

logger = get_logger(__name__)

INTERVAL = 1.0  # seconds between two reports
HANGS = 5.0  # seconds without a turn of the process's loop, after which it is no longer reported
FORGOTTEN = timedelta(minutes=10)  # until the row of a process that was killed is deleted
MEMORY = 10.0  # seconds between two looks at the memory, each of which takes the kernel about a millisecond a process
MOST = 50  # tasks of a worker in its report
WIDTH = 200  # characters of a task's arguments
PATIENCE = 2.0  # seconds that the beginning of a process waits for a report that is being written


class Writing:
    """What lasts while a report is written. No process begins meanwhile, as it would have a copy of SQLite's locks.

    No one opens that copy, so each task of the process would find its database locked.
    https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_across_a_fork_
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_over = threading.local()  # .yes: whether the thread that forks has seen that no report is written

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *error: object) -> None:
        self.lock.release()

    def before_fork(self) -> None:
        """A database that is silent must not keep a worker from its work."""
        self.is_over.yes = self.lock.acquire(timeout=PATIENCE)

    def after_fork(self) -> None:
        if self.is_over.yes:
            self.lock.release()


writing = Writing()
if hasattr(os, "register_at_fork"):  # not on Windows
    after_fork = writing.after_fork
    os.register_at_fork(before=writing.before_fork, after_in_parent=after_fork, after_in_child=after_fork)


class Reporter(threading.Thread):
    """Writes the row of this process. An error is logged once, and never reaches the process.

    A thread would also report a process that hangs. So it does so only while the process's own loop turns.
    """

    def __init__(self, kind: str, name: str, describe: Callable[[], dict[str, Any]]) -> None:
        super().__init__(name="reporter", daemon=True)
        self.row = RunningProcess(kind=kind, name=name)
        self.describe = describe
        self.is_asked_to_end = threading.Event()
        self.is_in_trouble = False

    def run(self) -> None:
        pause = 0.0
        while not self.is_asked_to_end.wait(pause):
            pause = INTERVAL
            try:
                if heartbeat.silence() < HANGS:
                    with writing:
                        self.write()
            except Exception as error:
                if not self.is_in_trouble:
                    logger.warning("This process could not be reported: %s: %s", type(error).__name__, error)
                self.is_in_trouble = True
                django.db.connection.close()
            else:
                self.is_in_trouble = False
        with writing, suppress(Exception):  # the row grows old by itself
            RunningProcess.objects.filter(name=self.row.name).delete()
            django.db.connection.close()

    def write(self) -> None:
        """Write the row. A process forks, and SQLite can't be carried across that, so there its connection is closed."""
        rows = RunningProcess.objects.filter(name=self.row.name)
        report = {"pid": os.getpid(), "host": socket.gethostname(), **self.describe()}
        try:
            if not self.row.pk or not rows.update(seen=Now(), report=report):
                RunningProcess.objects.filter(seen__lt=Now() - FORGOTTEN).delete()
                new = {"kind": self.row.kind, "started": Now(), "seen": Now(), "report": report}
                self.row, _ = RunningProcess.objects.update_or_create(name=self.row.name, defaults=new)
        finally:
            if django.db.connection.vendor == "sqlite":
                django.db.connection.close()

    def stop(self) -> None:
        """Delete the row and end."""
        self.is_asked_to_end.set()
        if self.is_alive():
            self.join(INTERVAL)


class WorkerReporter(Reporter):
    """Reports a worker."""

    def __init__(self, worker: Any) -> None:
        self.worker, self.memory, self.measured = worker, 0, float("-inf")
        super().__init__("worker", worker.hostname, self.of_worker)

    def of_worker(self) -> dict[str, Any]:
        """What the worker does. ``running`` has each task's start in seconds since the epoch, ``memory`` is in bytes."""
        worker, now = self.worker, time.monotonic()
        if now - self.measured >= MEMORY:
            self.measured = now
            self.memory = memory([os.getpid(), *worker.pool.info.get("processes", ())])
        names = queue_names(worker.app.amqp.queues.consume_from.values())
        running = sorted(
            (request for request in copy(state.active_requests) if request.time_start), key=lambda each: each.time_start
        )
        taken = Counter(request.delivery_info.get("routing_key") for request in copy(state.reserved_requests))
        return {
            "state": "stops" if worker.soft_stop.has_begun else heartbeat.state,
            "queues": sorted(names.values()),
            "processes": worker.pool.num_processes,
            "memory": self.memory,
            "running": [
                {
                    "id": each.id,
                    "task": each.name,
                    "arguments": arguments(each),
                    "since": each.time_start,
                    "pid": each.worker_pid,
                }
                for each in running[:MOST]
            ],
            "taken": {names.get(queue, queue): number for queue, number in taken.items()},
        }


class ReportStep(bootsteps.StartStopStep):
    """Reports a worker, from when its pool has started.

    https://docs.celeryq.dev/en/stable/userguide/extending.html#worker-bootsteps
    """

    requires = ("celery.worker.components:Timer", "celery.worker.components:Pool")

    def start(self, parent: Any) -> None:
        self.entry = parent.timer.call_repeatedly(heartbeat.TURN, heartbeat.turn, priority=10)
        heartbeat.turn()
        self.reporter = WorkerReporter(parent)
        self.reporter.start()

    def stop(self, parent: Any) -> None:
        self.entry.cancel()
        self.reporter.stop()

    terminate = stop


def arguments(request: Any) -> str:
    text = f"{request.argsrepr or ''} {request.kwargsrepr or ''}".strip()
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def copy(requests: Any) -> list[Any]:
    """The members of a set that the worker's loop changes meanwhile."""
    while True:
        with suppress(RuntimeError):  # it changed
            return list(requests)


def memory(pids: list[int]) -> int:
    """The bytes of these processes; what they share is counted once. 0 where there is no ``/proc``."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total
