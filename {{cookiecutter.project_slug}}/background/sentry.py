"""Errors, and the runs of the schedule, for Sentry: where ``SENTRY_DSN`` is set. Nothing else imports its package.

https://docs.sentry.io/platforms/python/integrations/celery/
"""

from typing import Any

import sentry_sdk
from celery.schedules import crontab, schedule
from django.conf import settings
from django.utils.text import slugify
from sentry_sdk.crons import MonitorStatus, capture_checkin
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.django import DjangoIntegration

from background.beat.scheduler import entry_due
from background.worker.attempt import attempt_ended

LONGEST = 50  # characters of a monitor's name
LATE = 2  # minutes after an entry's moment, until Sentry says that it was missed
LONG = 30  # minutes until it says that the run takes too long
UNITS = (("day", 86400), ("hour", 3600), ("minute", 60))  # of an interval, in seconds. Sentry knows no part of a minute
# What ends a task from outside of its process, where Sentry's own integration sees nothing.
FROM_OUTSIDE = ("TimeLimitExceeded", "WorkerLostError")


def start() -> None:
    """Report errors of this process from now on, and the runs of entries if it is a beat or a worker."""
    is_personal = settings.SENTRY_SEND_PII
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        traces_sample_rate=settings.SENTRY_TRACES_SAMPLE_RATE,
        send_default_pii=is_personal,
        # What a person has typed may be in a request's body, and in the variables of a function.
        max_request_body_size="medium" if is_personal else "never",
        include_local_variables=is_personal,
        before_breadcrumb=None if is_personal else without_data,
        before_send=None if is_personal else without_query,
        before_send_transaction=None if is_personal else without_query,
        # The second reports how the run of an entry has ended, by the headers that ``announce`` adds.
        integrations=[DjangoIntegration(), CeleryIntegration(monitor_beat_tasks=True)],
    )
    entry_due.connect(announce, dispatch_uid="background.sentry")
    attempt_ended.connect(report_end, dispatch_uid="background.sentry")


def without_query(event: Any, hint: Any) -> Any:
    """The event without what stands behind the question mark of a page's address, or of the one before."""
    request = event.get("request") or {}
    request.pop("query_string", None)
    request.get("headers", {}).pop("Referer", None)
    return event


def without_data(crumb: Any, hint: Any) -> Any:
    """A step on the way to an error, without what came with it: a worker's line on a task that it received has the arguments."""
    crumb.pop("data", None)
    return crumb


def announce(entry: Any, headers: dict[str, Any], **others: Any) -> None:
    """Report that the run of an entry begins.

    sentry-sdk 2.75 does so in ``Scheduler.apply_entry``, which this project's scheduler does not call
    (``sentry_sdk/integrations/celery/beat.py``). What it reads of the headers when the task ends is the same.
    """
    config: Any = monitor_of(entry.schedule)
    slug = slugify(entry.name.replace(".", "-"))[:LONGEST]
    if config and slug:
        check_in = capture_checkin(monitor_slug=slug, monitor_config=config, status=MonitorStatus.IN_PROGRESS)
        headers.update(
            {"sentry-monitor-slug": slug, "sentry-monitor-config": config, "sentry-monitor-check-in-id": check_in}
        )


def monitor_of(kind: Any) -> dict[str, Any] | None:
    """What Sentry has to know of a schedule. None for what it does not know: parts of a minute, events of the sun, moments."""
    when: dict[str, Any]
    if isinstance(kind, crontab):
        fields = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
        when = {"type": "crontab", "value": " ".join(str(getattr(kind, f"_orig_{field}")) for field in fields)}
    elif type(kind) is schedule and kind.seconds and kind.seconds % 60 == 0:
        unit, length = next((unit, length) for unit, length in UNITS if kind.seconds % length == 0)
        when = {"type": "interval", "value": int(kind.seconds // length), "unit": unit}
    else:
        return None
    zone = str(getattr(kind, "tz", None) or settings.TIME_ZONE)
    return {"schedule": when, "timezone": zone, "checkin_margin": LATE, "max_runtime": LONG}


def report_end(request: Any, outcome: str, exception: str, **others: Any) -> None:
    """Report what ended in the worker's main process: a task that took too long or lost its process, and a run that was skipped."""
    if outcome == "failed" and exception in FROM_OUTSIDE:
        with sentry_sdk.new_scope() as scope:
            scope.set_tag("celery_task_id", request.id)
            scope.set_transaction_name(request.name)
            sentry_sdk.capture_message(f"{request.name}: {exception}", level="error")
    headers = request.request_dict.get("headers") or request.request_dict
    if outcome == "ignored" and (slug := headers.get("sentry-monitor-slug")):
        capture_checkin(
            monitor_slug=slug, check_in_id=headers.get("sentry-monitor-check-in-id"), status=MonitorStatus.OK
        )
