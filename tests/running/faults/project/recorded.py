"""Tasks that record their start and their end in a file, outside the broker. The fault tests copy this into a project."""

import fcntl
import os
import signal
import time
from typing import Any

from celery import shared_task
from celery.worker.control import inspect_command
from django.contrib.auth import get_user_model


def note(event: str, number: int) -> None:
    """Add a line to the ledger, in one write to a file that is only appended to: processes don't mix their lines."""
    line = f"{event} {number} {time.time():.3f} {os.getpid()}\n"
    with open(os.environ["LEDGER"], "ab", buffering=0) as ledger:
        ledger.write(line.encode())


@inspect_command()
def timer_entries(state: Any) -> int:
    """Tell how much a worker has to do later, or has forgotten to take out."""
    return len(state.consumer.timer)


@shared_task
def work(number: int, seconds: float) -> None:
    """Take this many seconds."""
    note("start", number)
    time.sleep(seconds)
    note("end", number)


@shared_task
def ask_database(number: int) -> None:
    """Read from the database."""
    note("start", number)
    get_user_model().objects.count()
    note("end", number)


@shared_task(ignore_result=False)
def keep_result(number: int) -> int:
    """Be a task whose result is read."""
    return number


@shared_task
def end_its_process(number: int) -> None:
    """End the process as a crash in a C library does."""
    note("start", number)
    os._exit(1)


@shared_task
def be_killed(number: int) -> None:
    """Be killed as the kernel does with a process that takes all memory."""
    note("start", number)
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task
def exhaust_memory(number: int) -> None:
    """Ask for more memory than any machine has, which Python answers with an exception."""
    note("start", number)
    bytearray(1 << 60)


@shared_task(one_at_a_time=True)
def be_alone(number: int, seconds: float) -> None:
    """Note if another run goes on. The system gives the lock of a process back that is killed."""
    with open(f"{os.environ['LEDGER']}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note("beside", number)
            return
        note("process", os.getpid())
        note("start", number)
        time.sleep(seconds)
        note("end", number)
