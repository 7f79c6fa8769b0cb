"""Keeps what is needed to understand a failure and to run the task again."""

from typing import Any

from celery.signals import task_failure
from celery.utils.log import get_logger
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from kombu.exceptions import EncodeError
from kombu.serialization import dumps

from background.failures.models import FailedTask

logger = get_logger(__name__)

AGAIN_OF = "again_of"  # the header of a task that is run again
BATCH = 1000  # rows that are deleted at a time, so that nobody waits for the table


@task_failure.connect
def record(sender: Any, task_id: str, exception: Exception, args: Any, kwargs: Any, einfo: Any, **others: Any) -> None:
    """Write a row. If that fails it is logged: it does not change how the task ends.

    Celery 5.7 sends the signal once for each task that gave up, in the process that ran it, and for one that took too long
    or lost its process in the worker's main process.
    """
    request = sender.request
    queue = (request.delivery_info or {}).get("routing_key") or ""
    try:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        with transaction.atomic():
            FailedTask.objects.update_or_create(
                task_id=task_id,
                defaults={
                    "task": sender.name,
                    "queue": queue if queue in sender.app.amqp.queues else "",
                    "arguments": as_json(args, kwargs),
                    "attempts": (request.retries or 0) + 1,
                    "worker": request.hostname or "",
                    "exception": type(exception).__name__,
                    "reason": str(exception),
                    "traceback": str(getattr(einfo, "traceback", "") or ""),
                    "again_of": (request.headers or {}).get(AGAIN_OF) or "",
                    "entry": (request.headers or {}).get("periodic_task_name") or "",
                },
            )
    except Exception as error:
        logger.error("The failure of %s[%s] could not be recorded: %s", sender.name, task_id, error)


def as_json(args: Any, kwargs: Any) -> str:
    """The arguments as a message has them, or nothing if they are not JSON."""
    try:
        text: str = dumps([list(args or ()), dict(kwargs or {})], "json")[2]
    except EncodeError:
        return ""
    return text


def delete_old() -> int:
    """Delete the failures that are older than ``FAILURES_KEPT``, and return how many."""
    deleted = 0
    limit = timezone.now() - settings.FAILURES_KEPT
    while pks := list(FailedTask.objects.filter(failed_at__lt=limit).values_list("pk", flat=True)[:BATCH]):
        deleted += FailedTask.objects.filter(pk__in=pks).delete()[0]
    return deleted
