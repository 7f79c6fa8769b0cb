"""Measures one worker, in a project: ``python measure.py COUNT QUEUE WORKER...``, with the worker's arguments last.

It prints a JSON object: tasks a second, milliseconds of CPU a task, tasks enqueued a second, the milliseconds of each
``.delay()`` at rest and from there to the end of its task, and the worker's memory (MB) when it is idle.
"""

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import django
from redis import Redis

django.setup()
importlib.import_module(os.environ["APP"])  # .delay() is this app's

# The settings and the app come first.
import probes  # noqa: E402

AT_REST = 60  # tasks, 20 a second
WARM_UP = 200  # tasks, of those that a rate is measured with
SECONDS = 180.0  # the longest that anything here may take
TICKS = os.sysconf("SC_CLK_TCK")


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Look every five milliseconds."""
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: {Path('worker.log').read_text()}")
        time.sleep(0.005)


def family(pid: int) -> list[int]:
    """A process and its children."""
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def cpu(pid: int) -> float:
    """The seconds of CPU that a process and its children have taken."""
    fields = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in family(pid)]
    return sum(int(field[11]) + int(field[12]) for field in fields) / TICKS


def memory(pid: int) -> float:
    """The megabytes of a process and its children: what they share is counted once (PSS)."""
    lines = [Path(f"/proc/{one}/smaps_rollup").read_text().splitlines() for one in family(pid)]
    return sum(int(line.split()[1]) for rollup in lines for line in rollup if line.startswith("Pss:")) / 1024


@contextmanager
def running(worker: list[str]) -> Iterator[int]:
    """A worker; yields its id."""
    with open("worker.log", "ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "celery", *worker], stdout=log, stderr=log)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(SECONDS)


def at_rest(worker: list[str], stamps: Path) -> dict[str, object]:
    """Enqueue one task after the other, with time between them."""

    def done() -> list[str]:
        return stamps.read_text().split()

    stamps.write_text("")
    with running(worker) as pid:
        probes.stamp.delay(time.time())
        wait_until(done, "the first task")
        time.sleep(1)
        size = memory(pid)
        delays = []
        for number in range(AT_REST):
            begin = time.time()
            probes.stamp.delay(begin)
            delays.append((time.time() - begin) * 1000)
            wait_until(lambda: len(done()) == number + 2, "a task")  # noqa: B023
            time.sleep(max(0.0, begin + 0.05 - time.time()))
    return {"delay": delays, "done": [float(line) * 1000 for line in done()[1:]], "memory": size}


def under_load(worker: list[str], count: int, queue: str, broker: Redis) -> dict[str, object]:
    """Fill the queue, then start the worker: nothing but it is running when its rate is measured.

    A task counts as done when its message is gone. Acknowledged early, that is some milliseconds before its end.
    """

    def left() -> int:
        pipeline = broker.pipeline(transaction=False)
        prefix = probes.nothing.app.conf.broker_transport_options.get("global_keyprefix", "")
        pipeline.llen(f"{prefix}{queue}")
        pipeline.hlen(f"{prefix}unacked")
        return sum(pipeline.execute())

    total = count + WARM_UP
    begin = time.monotonic()
    for _ in range(total):
        probes.nothing.delay()
    enqueued = total / (time.monotonic() - begin)
    with running(worker) as pid:
        wait_until(lambda: left() <= count, "the first tasks")
        tasks, begin, before = left(), time.monotonic(), cpu(pid)
        wait_until(lambda: left() == 0, "the last task")
        seconds, spent = time.monotonic() - begin, cpu(pid) - before
    return {"rate": tasks / seconds, "cpu": spent / tasks * 1000, "enqueued": enqueued}


if __name__ == "__main__":
    count, queue, worker = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    broker = Redis.from_url(os.environ["CELERY_BROKER_URL"])
    broker.flushall()
    print(json.dumps(at_rest(worker, Path(os.environ["STAMPS"])) | under_load(worker, count, queue, broker)))
