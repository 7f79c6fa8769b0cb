"""The relay: a thread of the beat that leads. It sends the messages of the outbox when they are due."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import django.db
from celery import Celery
from celery.utils.log import get_logger
from django.db.models.functions import Now

from background.outbox.message import send
from background.outbox.models import OutboxMessage

logger = get_logger(__name__)

LOOK = 0.5  # seconds between two looks
BATCH = 100  # messages between two looks at the lease. If the relay is killed, at most so many are sent again
RETRY = 2.0  # seconds until an unreachable server is tried again
LATER = timedelta(minutes=1)  # until a message that can't be sent is tried again


class Relay(threading.Thread):
    """Sends what is due, while ``leads`` says so. A message is sent at least once: its row is deleted afterwards."""

    def __init__(self, app: Celery, leads: Callable[[], bool]) -> None:
        super().__init__(name="relay", daemon=True)
        self.app = app
        self.leads = leads
        self.is_asked_to_end = threading.Event()
        self.trouble = ""  # what was logged last

    def run(self) -> None:
        """Look for messages until ``stop`` is called. An error is logged once, and does not end the thread."""
        pause = 0.0
        while not self.is_asked_to_end.wait(pause):
            try:
                pause = 0.0 if self.leads() and self.send_batch() == BATCH else LOOK
            except Exception as error:
                self.report(f"{type(error).__name__}: {error}")
                django.db.close_old_connections()
                pause = RETRY
            else:
                self.report("")
        django.db.connection.close()

    def report(self, trouble: str) -> None:
        """Log what keeps the messages from being sent, and that it is over, once each."""
        if trouble and not self.trouble:
            logger.error("The outbox waits: %s", trouble)
        elif self.trouble and not trouble:
            logger.info("The outbox is sent again.")
        self.trouble = trouble

    def stop(self) -> None:
        """Finish the batch and end."""
        self.is_asked_to_end.set()
        if self.is_alive():
            self.join()

    def send_batch(self) -> int:
        """Send the messages that have been due for the longest, and return how many were looked at, up to ``BATCH``.

        Raises:
            kombu.exceptions.OperationalError: the broker is down. What of the batch it has is sent again.
            django.db.Error: the database is down.
        """
        rows = list(OutboxMessage.objects.filter(due__lte=Now()).order_by("due", "id")[:BATCH])
        if not rows:
            return 0
        refused = {}
        with self.app.producer_or_acquire() as producer, producer.batch():
            for row in rows:
                try:
                    send(self.app, row, producer, eta=None, enqueued_at=time.time())
                except (KeyError, TypeError, ValueError) as error:
                    refused[row.pk] = f"{type(error).__name__}: {error}"
        for row in rows:
            if row.pk in refused:
                logger.error("The message of %s can't be sent: %s", row, refused[row.pk])
                OutboxMessage.objects.filter(pk=row.pk).update(error=refused[row.pk], due=Now() + LATER)
        OutboxMessage.objects.filter(pk__in=[row.pk for row in rows if row.pk not in refused]).delete()
        return len(rows)
