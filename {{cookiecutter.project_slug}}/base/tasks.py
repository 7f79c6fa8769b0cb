"""The example tasks. Replace them with your own. docs/tasks.md says what to keep in mind.

A task may run twice, for example if its worker was killed just before the acknowledgement. Each of these can.
Arguments and results are JSON: pass primary keys, not model instances.
"""

import time
from datetime import date
from typing import Any, TypedDict
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from celery import Task, shared_task
from celery.utils.log import get_task_logger
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.core.serializers.json import DjangoJSONEncoder
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from base.models import WelcomeMail

logger = get_task_logger(__name__)

PROGRESS = "PROGRESS"  # a state of our own, between Celery's PENDING and SUCCESS


class Month(TypedDict):
    """How many users joined in one month, written as 2026-01."""

    month: str
    users: int


class Report(TypedDict):
    """What ``build_report`` returns: a row for each month, the oldest first, and the sum."""

    months: list[Month]
    total: int


@shared_task(
    autoretry_for=(OSError, OperationalError, InterfaceError),  # the mail server or the database is unreachable
    max_retries=5,
    retry_backoff=5,  # waits up to 5, 10, 20, 40 and 80 seconds ...
    retry_jitter=True,  # ... a random part of it, so that many waiting tasks don't come back at the same moment
)
def send_welcome_mail(user_pk: int) -> None:
    """Welcome a user by mail, once.

    What was sent is recorded, so a second run sends nothing. If the worker dies between sending and recording, the mail
    is sent again with the same Message-ID, by which mail servers recognise a duplicate.
    """
    user = get_user_model().objects.filter(pk=user_pk).first()
    if user is None:
        logger.warning("User %s no longer exists. No welcome mail is sent.", user_pk)
        return
    mail, _ = WelcomeMail.objects.get_or_create(user=user)
    if mail.sent_at is not None:
        return
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2]
    EmailMessage(
        subject=f"Welcome to {settings.PROJECT_NAME}",
        body=f"Hello {user.get_username()}, it is good to have you here.",
        to=[user.email],
        headers={"Message-ID": f"<welcome-{user_pk}@{domain}>"},
    ).send()
    mail.sent_at = timezone.now()
    mail.save(update_fields=["sent_at"])


@shared_task(bind=True, ignore_result=False)
def build_report(self: Task, months: int = 12, pause: float = 0.5) -> Report:
    """Count the users who joined in each of the last ``months`` months, this one included.

    ``pause``, in seconds for each month, stands for the slow query of a real report. While the task runs, its state is
    ``PROGRESS`` and the result's ``info`` is ``{"done": int, "total": int}``, in months.
    """
    rows: list[Month] = []
    for first_day in last_months(months):
        self.update_state(state=PROGRESS, meta={"done": len(rows), "total": months})
        time.sleep(pause)
        joined = get_user_model().objects.filter(date_joined__year=first_day.year, date_joined__month=first_day.month)
        rows.append({"month": f"{first_day:%Y-%m}", "users": joined.count()})
    return {"months": rows, "total": sum(row["users"] for row in rows)}


def last_months(months: int) -> list[date]:
    """The first days of the last ``months`` months, the oldest first, today's month last."""
    today = timezone.localdate()
    newest = today.year * 12 + today.month - 1
    return [date(number // 12, number % 12 + 1, 1) for number in range(newest - months + 1, newest + 1)]


@shared_task(
    autoretry_for=(OSError,),  # refused, timed out, or answered with an error: URLError is an OSError
    max_retries=5,
    retry_backoff=2,
    retry_jitter=True,
)
def post_to_webhook(url: str, event_id: str, payload: dict[str, Any]) -> None:
    """Tell another service of an event, and retry until it answers.

    ``event_id`` is sent as ``Idempotency-Key``, by which the service recognises an event that is sent twice.
    """
    body = DjangoJSONEncoder().encode(payload).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": event_id}
    try:
        with urlopen(Request(url, data=body, headers=headers, method="POST"), timeout=10):
            logger.info("Event %s was delivered.", event_id)
    except HTTPError as error:
        error.close()  # it holds the connection
        raise


@shared_task(one_at_a_time=True)
def delete_expired_sessions() -> None:
    """Delete the expired sessions. Django keeps them until this command runs. A slow run is not overtaken by the next one."""
    call_command("clearsessions")
