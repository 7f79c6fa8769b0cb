"""What the page says. Each part is asked for by itself, and says what it could not ask."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from celery import Celery
from celery.schedules import ParseException
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from background.beat import lease
from background.failures.models import FailedTask
from background.outbox.models import OutboxMessage
from background.overview.models import QueueLength, RunningProcess
from background.overview.queues import KEPT, Length, lengths
from background.overview.report import FORGOTTEN
from background.registry import queue_names

BROKER_PATIENCE = 0.6  # seconds for all that is asked of the broker: the page answers within one
SILENCE = timedelta(seconds=3)  # without a report, after which a process counts as silent
DAY = timedelta(days=1)
ENTRIES = 10  # of the schedule: those that run next
RUNS = 10  # last runs of the schedule
CRONTAB = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year", "timezone")
KINDS_OF_FAILURE = 20
WIDTH, HEIGHT = 240, 32  # of a chart, in pixels

# Questions to the broker, off the thread that answers the request. A broker that is silent keeps at most so many waiting.
asking = ThreadPoolExecutor(4, thread_name_prefix="overview")


def parts(app: Celery) -> dict[str, Any]:
    """What the page's template shows."""
    eager = app.conf.task_always_eager
    asked = None if eager else asking.submit(lengths, app)
    found: dict[str, Any] = {
        "eager": eager,
        "workers": processes("worker"),
        "beats": processes("beat"),
        "leader": lease.tenure(lease.SCHEDULE),
        "coming": [],
        "runs": last_runs(),
        "failures": failures(),
        "outbox": outbox(),
        "now": timezone.now(),
    }
    leader = next((beat for beat in found["beats"] if found["leader"] and beat.name == found["leader"].holder), None)
    if leader and found["leader"].is_live:
        found["coming"] = coming(leader.report.get("next", []))
        found["late"] = leader.report.get("late", 0)
    if asked is not None:
        found["queues"], found["broker_error"] = queues(app, asked, found["workers"])
    return found


class Seen(NamedTuple):
    """A worker or a beat, as it reported itself last."""

    pk: int
    name: str
    started: datetime
    report: dict[str, Any]
    age: timedelta  # of the report

    @property
    def is_silent(self) -> bool:
        return self.age > SILENCE


def processes(kind: str) -> list[Seen]:
    """The workers or beats that were seen lately."""
    age = models.ExpressionWrapper(Now() - models.F("seen"), models.DurationField())
    rows = RunningProcess.objects.annotate(age=age).filter(kind=kind, seen__gt=Now() - FORGOTTEN).order_by("name")
    found = [Seen(*row) for row in rows.values_list("pk", "name", "started", "report", "age")]
    for process in found:
        for task in process.report.get("running", ()):
            task["since"] = datetime.fromtimestamp(task["since"], UTC)
        for entry in process.report.get("next", ()):
            entry["at"] = datetime.fromtimestamp(entry["at"], UTC)
    return found


def coming(read: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries that run next, the first first: those that beat has read, and those that it does not read yet.

    beat reads a moment five minutes before it, and most crontabs two hours before their hour.
    """
    known = {entry["name"] for entry in read}
    far = [entry for entry in (*next_moments(), *next_crontabs()) if entry["name"] not in known]
    return sorted([*read, *far], key=lambda entry: entry["at"])[:ENTRIES]


def next_moments() -> Iterator[dict[str, Any]]:
    rows = PeriodicTask.objects.filter(enabled=True, clocked__clocked_time__gt=timezone.now())
    for row in rows.select_related("clocked").order_by("clocked__clocked_time")[:ENTRIES]:
        yield {"name": row.name, "task": row.task, "at": row.clocked.clocked_time}


def next_crontabs() -> Iterator[dict[str, Any]]:
    """Entries of the crontabs that come round next. Many entries may share one. beat leaves those out that can't be read."""
    now = timezone.now().replace(second=0, microsecond=0)
    used = CrontabSchedule.objects.filter(periodictask__enabled=True).distinct().values_list("pk", *CRONTAB)
    moments = [(at, pk) for pk, *fields in used if (at := next_of(now, *fields))]
    found = 0
    for at, pk in sorted(moments):
        rows = PeriodicTask.objects.filter(enabled=True, crontab=pk).order_by("name")[: ENTRIES - found]
        for row in rows:
            found += 1
            yield {"name": row.name, "task": row.task, "at": at}
        if found >= ENTRIES:
            return


@lru_cache(maxsize=5000)
def next_of(minute: datetime, *fields: Any) -> datetime | None:
    """When a crontab comes round next, counted from a minute. That takes too long to do it at each look at the page.

    None if it can't be read, or never does.
    """
    try:
        schedule = CrontabSchedule(**dict(zip(CRONTAB, fields, strict=True))).schedule
        schedule.nowfun = lambda: minute
        return minute + timedelta(seconds=schedule.is_due(minute)[1])
    except (ValueError, ParseException, RuntimeError):
        return None


def queues(app: Celery, asked: Future[list[Length]], workers: list[Seen]) -> tuple[list[dict[str, Any]], str]:
    """A row for each queue of the settings, and why the broker did not say how long they are."""
    error = ""
    known: dict[str, Length] = {}
    try:
        known = {length.queue: length for length in asked.result(BROKER_PATIENCE)}
    except NoAnswer:
        asked.cancel()  # if nobody has begun to ask yet
        error = "The broker does not answer."
    except Exception as reason:  # of whatever kind the broker is
        error = str(reason)
    alive = [worker.report for worker in workers if not worker.is_silent]
    names = queue_names(app.conf.task_queues).values()
    samples = charts()
    rows = [
        {
            "name": name,
            "length": known.get(name),
            "taken": sum(report.get("taken", {}).get(name, 0) for report in alive),
            "workers": sum(name in report.get("queues", ()) for report in alive),
            "chart": samples.get(name),
        }
        for name in names
    ]
    return rows, error


def charts() -> dict[str, dict[str, Any]]:
    """The last hour of each queue: the points of a line, and the largest number."""
    now = timezone.now()
    samples: dict[str, list[tuple[float, int]]] = {}
    for name, at, waiting in (
        QueueLength.objects.filter(at__gt=now - KEPT).order_by("at").values_list("queue", "at", "waiting")
    ):
        samples.setdefault(name, []).append((WIDTH * (1 - (now - at) / KEPT), waiting))
    return {
        name: {
            "most": (most := max(waiting for _, waiting in points)),
            "points": " ".join(f"{x:.1f},{HEIGHT - 1 - (HEIGHT - 2) * y / max(most, 1):.1f}" for x, y in points),
        }
        for name, points in samples.items()
    }


def last_runs() -> list[dict[str, Any]]:
    """The entries that ran last, each with the failure of that run if it failed."""
    entries = list(PeriodicTask.objects.filter(last_run_at__isnull=False).order_by("-last_run_at")[:RUNS])
    failed = failures_of_last_runs(entries)
    return [{"entry": entry, "failure": failed.get(entry.name)} for entry in entries]


def failures_of_last_runs(entries: list[PeriodicTask]) -> dict[str, FailedTask]:
    """By name, for those of these entries whose last run failed."""
    ran = {entry.name: entry.last_run_at for entry in entries if entry.last_run_at}
    latest = (
        FailedTask.objects.filter(entry__in=list(ran)).values("entry").annotate(last=models.Max("pk")).values("last")
    )
    rows = FailedTask.objects.filter(pk__in=latest)
    return {row.entry: row for row in rows if row.failed_at > ran[row.entry]}


def failures() -> list[dict[str, Any]]:
    """The failures of the last day by task, the most frequent first, with the last of each."""
    recent = FailedTask.objects.filter(failed_at__gt=timezone.now() - DAY)
    counts = list(
        recent.values("task")
        .annotate(number=models.Count("pk"), last=models.Max("pk"))
        .order_by("-number")[:KINDS_OF_FAILURE]
    )
    rows = FailedTask.objects.in_bulk([count["last"] for count in counts])
    return [{**count, "row": rows[count["last"]]} for count in counts if count["last"] in rows]


def outbox() -> dict[str, Any]:
    """How many messages of the outbox should have been sent, since when, and how many are for later."""
    is_due = models.Q(due__lte=Now())
    return OutboxMessage.objects.aggregate(
        unsent=models.Count("pk", filter=is_due),
        later=models.Count("pk", filter=~is_due),
        oldest=models.Min("due", filter=is_due),
    )
