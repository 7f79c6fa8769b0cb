"""Tasks for the canvas, which note in a file what ran: ``CANVAS_NOTES`` names it."""

import os
from typing import Any

from celery import Task, group, shared_task


def note(what: str) -> None:
    with open(os.environ["CANVAS_NOTES"], "ab", buffering=0) as notes:
        notes.write(f"{what}\n".encode())


@shared_task
def add(x: int, y: int = 1) -> int:
    """Its result is ignored, as the project's default has it."""
    return x + y


@shared_task(ignore_result=False)
def keep(x: Any) -> Any:
    return x


@shared_task(ignore_result=False)
def total(numbers: list[int]) -> int:
    note(f"total {numbers}")
    return sum(numbers)


@shared_task
def fail(*args: Any) -> None:
    raise ValueError("on purpose")


@shared_task
def say(*args: Any, what: str) -> None:
    note(what)


@shared_task
def complain(request: Any, error: Any, traceback: Any) -> None:
    note("error")


@shared_task
def complain_of(task_id: str) -> None:
    note("error of id")


@shared_task(bind=True, ignore_result=False)
def replaced_by_one(self: Task, x: int) -> Any:
    return self.replace(keep.si(x + 1))


@shared_task(bind=True, ignore_result=False)
def replaced_by_group(self: Task, x: int) -> Any:
    return self.replace(group(add.s(x), add.s(x + 1)))


@shared_task(bind=True, max_retries=3, default_retry_delay=0)
def second_time(self: Task, x: int) -> int:
    if self.request.retries == 0:
        raise self.retry(countdown=0.1)
    return x
