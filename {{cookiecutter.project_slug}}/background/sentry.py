"""Errors, and the runs of the schedule, for Sentry: where ``SENTRY_DSN`` is set. Nothing else imports its package.

sentry-sdk's own integration of Celery takes two fifths of a worker's throughput (2.75, with a sample rate of 0), and reports no
runs here, as it does so in ``Scheduler.apply_entry``, which this project's scheduler does not call. So it is used only where the
course of tasks is asked for.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import sentry_sdk
from celery.schedules import crontab, schedule
from celery.signals import task_failure, worker_process_init, worker_process_shutdown
from django.conf import settings
from django.utils.text import slugify
from sentry_sdk.crons import MonitorStatus, capture_checkin
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger, ignore_logger_for_sentry_logs

from background.beat.scheduler import entry_due, entry_sent
from background.schedule.kinds import Crontab
from background.worker.attempt import attempt_ended

LONGEST = 50  # characters of a monitor's name
LATE = 2  # minutes after an entry's moment, until Sentry says that it was missed
PATIENCE = 2.0  # seconds for which a process that ends waits for Sentry
LONG = 30  # minutes until it says that the run takes too long
UNITS = (("day", 86400), ("hour", 3600), ("minute", 60))  # of an interval, in seconds. Sentry knows no part of a minute
CHECK_IN, MONITOR = "sentry_check_in", "sentry_monitor"  # headers of an entry's message
ENDS = {
    "succeeded": MonitorStatus.OK,
    "ignored": MonitorStatus.OK,  # another run of a task that runs one at a time is under way
    "failed": MonitorStatus.ERROR,
    "rejected": MonitorStatus.ERROR,
    "revoked": MonitorStatus.ERROR,
}
# What ends a task from outside of its process. The worker's main process is told of the first twice.
FROM_OUTSIDE = ("TimeLimitExceeded", "WorkerLostError")
SAID_ALREADY = (
    "celery.app.trace",
    "celery.worker.request",
    "multiprocessing",
)  # loggers of failures, which are reported by themselves


def start() -> None:
    """Report errors of this process from now on, and the runs of entries if it is a beat or a worker."""
    connect()
    for name in SAID_ALREADY:
        ignore_logger(name)
        ignore_logger_for_sentry_logs(name)
    # A process of a pool begins with what its worker has yet to report, and would report it once more.
    worker_process_init.connect(connect, dispatch_uid="background.sentry")
    worker_process_shutdown.connect(send_what_waits, dispatch_uid="background.sentry")
    task_failure.connect(report_failure, dispatch_uid="background.sentry")
    if not settings.CELERY_TASK_ALWAYS_EAGER:
        entry_due.connect(announce, dispatch_uid="background.sentry")
        entry_sent.connect(report_begin, dispatch_uid="background.sentry")
        attempt_ended.add(report_end)


def connect(**others: Any) -> None:
    """Report to ``SENTRY_DSN``, with nothing that waits to be reported."""
    is_personal, is_traced = settings.SENTRY_SEND_PII, settings.SENTRY_TRACES_SAMPLE_RATE > 0
    # A worker writes lines all the time. As a step on the way to an error only a warning counts. Sentry's own log
    # gets none: to see for each line that it is off would take 2 % of a worker's throughput.
    integrations: list[Any] = [DjangoIntegration(), LoggingIntegration(level=logging.WARNING, sentry_logs_level=None)]
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        environment=settings.SENTRY_ENVIRONMENT,
        traces_sample_rate=settings.SENTRY_TRACES_SAMPLE_RATE,
        auto_enabling_integrations=False,
        integrations=[*integrations, CeleryIntegration()] if is_traced else integrations,
        send_default_pii=is_personal,
        # What a person has typed may be in a request's body, and in the variables of a function.
        max_request_body_size="medium" if is_personal else "never",
        include_local_variables=is_personal,
        before_breadcrumb=None if is_personal else without_data,
        before_send=None if is_personal else without_query,
        before_send_transaction=None if is_personal else without_query,
    )


def send_what_waits(**others: Any) -> None:
    """Send what this process of a pool has yet to report, as it ends without a word to the thread that sends."""
    sentry_sdk.flush(PATIENCE)


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


def report_failure(sender: Any, task_id: str, exception: Exception, **others: Any) -> None:
    """Report why a task gave up, in the process that ran it. ``throws`` of the task names what is no error."""
    is_reported = settings.SENTRY_TRACES_SAMPLE_RATE > 0 or type(exception).__name__ in FROM_OUTSIDE
    if not is_reported and not isinstance(exception, sender.throws):
        with scope_of(sender.name, task_id):
            sentry_sdk.capture_exception(exception)


@contextmanager
def scope_of(task: str, task_id: str) -> Iterator[None]:
    """What is reported meanwhile is this task's."""
    with sentry_sdk.new_scope() as scope:
        scope.set_transaction_name(task)
        scope.set_tag("celery_task_id", task_id)
        yield


def announce(entry: Any, headers: dict[str, Any], **others: Any) -> None:
    """Have the message of an entry say which run it is, so that its end can be reported."""
    slug = slugify(entry.name.replace(".", "-"))[:LONGEST]
    if slug and monitor_of(entry.schedule):
        headers.update({MONITOR: slug, CHECK_IN: uuid4().hex})


def report_begin(entry: Any, **others: Any) -> None:
    """Report that the run of an entry begins. While the broker is away none does, and Sentry says that it was missed."""
    headers = entry.options.get("headers", {})
    if slug := headers.get(MONITOR):
        config: Any = monitor_of(entry.schedule)
        status = MonitorStatus.IN_PROGRESS
        capture_checkin(monitor_slug=slug, check_in_id=headers[CHECK_IN], monitor_config=config, status=status)


def report_end(request: Any, outcome: str, runtime: float | None, exception: str) -> None:
    """Report what ended a task from outside, and how the run of an entry has ended. One that is tried again has not."""
    if exception in FROM_OUTSIDE:
        with scope_of(request.name, request.id):
            sentry_sdk.capture_message(f"{request.name}: {exception}", level="error")
    slug = request.request_dict.get(MONITOR)
    if slug and outcome in ENDS:
        check_in = request.request_dict.get(CHECK_IN)
        capture_checkin(monitor_slug=slug, check_in_id=check_in, status=ENDS[outcome], duration=runtime)


def monitor_of(kind: Any) -> dict[str, Any] | None:
    """What Sentry has to know of a schedule. None for what it does not know: parts of a minute, events of the sun, moments."""
    when: dict[str, Any]
    if isinstance(kind, crontab):
        when = {"type": "crontab", "value": " ".join(str(getattr(kind, f"_orig_{part}")) for part in Crontab.parts)}
    elif type(kind) is schedule and kind.seconds and kind.seconds % 60 == 0:
        unit, length = next((unit, length) for unit, length in UNITS if kind.seconds % length == 0)
        when = {"type": "interval", "value": int(kind.seconds // length), "unit": unit}
    else:
        return None
    zone = str(getattr(kind, "tz", None) or settings.TIME_ZONE)
    return {"schedule": when, "timezone": zone, "checkin_margin": LATE, "max_runtime": LONG}
