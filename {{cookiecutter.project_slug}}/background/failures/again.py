"""Runs a task that gave up once more."""

from contextlib import nullcontext

from celery import current_app
from celery.exceptions import NotRegistered
from django.db import transaction
from django.utils import timezone
from kombu.serialization import loads
from kombu.utils.uuid import uuid

from background.failures.models import FailedTask
from background.failures.record import AGAIN_OF


class NotRunAgainError(Exception):
    """The task was not run again, and why."""


def run_again(failure: FailedTask) -> str:
    """Enqueue the task with the same arguments, on the same queue, under a new id, and return that.

    The two rows of a task that fails once more name each other. Callbacks, and the chain or chord that the task was part
    of, are not run again.

    Raises:
        NotRunAgainError: it was run again already, no app has the task any more, or its arguments were not JSON.
        background.task.BrokerUnavailableError: the broker is down. It was not run again.
        Exception: in eager mode, what the task raised.
    """
    if failure.task not in current_app.tasks:
        raise NotRunAgainError(f"the task {failure.task} no longer exists") from NotRegistered(failure.task)
    if not failure.arguments:
        raise NotRunAgainError("its arguments were not JSON")
    args, kwargs = loads(failure.arguments, "application/json", "utf-8")
    task = current_app.tasks[failure.task]
    queue = failure.queue if failure.queue in current_app.amqp.queues else None
    new_id: str = uuid()
    # Eagerly the task runs here, and its own transactions are to be its own.
    with nullcontext() if current_app.conf.task_always_eager else transaction.atomic():
        row = FailedTask.objects.filter(pk=failure.pk, run_again_as="")
        if not row.update(run_again_as=new_id, run_again_at=timezone.now()):
            raise NotRunAgainError("it was run again already")
        task.apply_async(args, kwargs, task_id=new_id, queue=queue, headers={AGAIN_OF: failure.task_id})
    return new_id
