"""Tasks of the tests, which the worker of a test run knows too."""

import os
import signal
import time
from contextlib import suppress
from typing import Any

from celery import Task, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.utils import timezone

from background.models import Lease


@shared_task(name="tests.note")
def note(name: str) -> None:
    """Leave a row of this name, which the tests can see."""
    now = timezone.now()
    Lease.objects.create(name=name, holder="", since=now, ticked=now, expires=now)


@shared_task(name="tests.give_five", ignore_result=False)
def give_five() -> int:
    return 5


@shared_task(name="tests.note_number", ignore_result=False)
def note_number(number: int) -> None:
    note(str(number))


@shared_task(bind=True, name="tests.retry_in_a_transaction")
def retry_in_a_transaction(self: Task, countdown: float) -> None:
    with transaction.atomic():
        raise self.retry(countdown=countdown)


@shared_task(name="tests.give_up")
def give_up(*args: Any, **kwargs: Any) -> None:
    """Fail, but succeed once a row of this name is there."""
    if not Lease.objects.filter(name="mended").exists():
        raise LookupError("on purpose")
    note("has run")


@shared_task(
    name="tests.give_up_at_last", bind=True, autoretry_for=(LookupError,), max_retries=1, default_retry_delay=0
)
def give_up_at_last(self: Task) -> None:
    raise LookupError("on purpose")


@shared_task(name="tests.take_too_long", soft_time_limit=0.5, time_limit=1)
def take_too_long() -> None:
    with suppress(SoftTimeLimitExceeded):
        time.sleep(30)
    time.sleep(30)


@shared_task(name="tests.lose_its_process", max_retries=0)
def lose_its_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task(name="tests.alone", one_at_a_time=True, ignore_result=False)
def alone(seconds: float = 0) -> str:
    time.sleep(seconds)
    return "has run"


@shared_task(name="tests.alone_for_each", one_at_a_time=("user_pk",), ignore_result=False)
def alone_for_each(user_pk: int, seconds: float = 0) -> str:
    time.sleep(seconds)
    return "has run"


@shared_task(name="tests.alone_with_a_retry", bind=True, one_at_a_time=True, ignore_result=False)
def alone_with_a_retry(self: Task, countdown: float) -> int:
    if self.request.retries == 0:
        raise self.retry(countdown=countdown)
    return int(self.request.retries)


@shared_task(name="tests.alone_and_fails", one_at_a_time=True)
def alone_and_fails() -> None:
    raise LookupError("on purpose")
