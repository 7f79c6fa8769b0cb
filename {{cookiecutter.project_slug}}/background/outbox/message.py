"""From a call to a row, and from a row to the broker."""

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Any

import django.db
from celery import Celery, current_task
from celery.signals import task_postrun
from celery.utils.log import get_logger
from celery.utils.time import maybe_iso8601, maybe_make_aware
from django.db import connection
from django.utils import timezone
from kombu import serialization

from background.outbox.models import OutboxMessage

logger = get_logger(__name__)


class Writer:
    """Stands in for kombu's producer, and writes a row in the place of a message.

    So all that Celery does before it sends has been done: the route, the headers, the links of a chain. It is called by
    ``send_task_message`` in ``celery/app/amqp.py``.
    """

    def __init__(self, due: datetime) -> None:
        self.due = due
        self.connection = self

    def _reraise_as_library_errors(self) -> AbstractContextManager[None]:
        return nullcontext()

    def publish(
        self, body: Any, *, headers: dict[str, Any], exchange: Any, declare: Any = None, **options: Any
    ) -> None:
        """Write the row, in the caller's transaction. Celery's event that a task was sent is not written.

        A retry is written when its attempt has ended: the error that ends it rolls the transaction of the task back.

        Raises:
            django.db.Error: the database is down.
            kombu.exceptions.EncodeError: an argument is not JSON.
        """
        if "task" not in headers:
            return
        options.pop("expiration", None)  # seconds from now. The header says from when on a worker throws it away
        queues = [queue.name for queue in declare or ()]
        message = {
            **options,
            "body": body,
            "headers": headers,
            "exchange": getattr(exchange, "name", exchange),
            "declare": queues,
        }
        _, _, text = serialization.dumps(message, "json")
        row = OutboxMessage(due=self.due, task=headers["task"], task_id=headers["id"], message=text)
        if connection.in_atomic_block and current_task and current_task.request.id == row.task_id:
            vars(current_task.request).setdefault("retries_to_write", []).append(row)
        else:
            row.save()


@task_postrun.connect
def write_retries(task: Any, **kwargs: Any) -> None:
    """Write the retries of an attempt that has just ended. If the database is down they go to the broker, to wait there."""
    for row in vars(task.request).pop("retries_to_write", ()):
        try:
            row.save()
        except django.db.Error as error:
            logger.warning("The retry of %s waits in the broker: %s", row, error)
            with task.app.producer_or_acquire() as producer:
                send(task.app, row, producer, eta=row.due.isoformat())


def send(app: Celery, row: OutboxMessage, producer: Any, **headers: Any) -> None:
    """Give a row's message to the broker, with these headers changed. The row stays.

    Raises:
        kombu.exceptions.OperationalError: the broker is down or does not answer.
        KeyError: the settings no longer have its queue.
    """
    message = serialization.loads(row.message, "application/json", "utf-8")
    message["headers"].update(headers)
    message["declare"] = [app.amqp.queues[name] for name in message["declare"]]
    producer.publish(message.pop("body"), **message)


def due_of(app: Celery, countdown: float | None = None, eta: datetime | str | None = None) -> datetime:
    """When a task is to run, given what ``apply_async`` takes. Without either, now."""
    if eta:
        moment: datetime = maybe_make_aware(maybe_iso8601(eta), app.timezone)
        return moment
    return timezone.now() + timedelta(seconds=countdown or 0)
