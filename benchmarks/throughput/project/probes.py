"""The tasks that are measured. The benchmark copies this into a project."""

import os
import time

from celery import shared_task


@shared_task
def nothing() -> None:
    """Be what a queue and a worker cost by themselves."""


@shared_task
def stamp(sent: float) -> None:
    """Record the seconds since it was enqueued, in one write to a file that is only appended to."""
    with open(os.environ["STAMPS"], "ab", buffering=0) as stamps:
        stamps.write(f"{time.time() - sent:.6f}\n".encode())
