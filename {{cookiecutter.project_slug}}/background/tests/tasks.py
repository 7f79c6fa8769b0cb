"""Tasks of the tests, which the worker of a test run knows too."""

from celery import Task, shared_task
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
