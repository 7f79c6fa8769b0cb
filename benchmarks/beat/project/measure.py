"""Measures one scheduler class on the entries of fill.py, in a project: ``python measure.py CLASS SECONDS``.

It prints a JSON object. Times are in seconds, but for that of a tick and of a record, which are in milliseconds.
"""

import json
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from statistics import quantiles

import django

django.setup()

from celery import shared_task  # noqa: E402
from celery.beat import Service  # noqa: E402
from django.db import connection  # noqa: E402
from django_celery_beat.models import PeriodicTask, PeriodicTasks  # noqa: E402

from config import celery_app  # noqa: E402

INTERVAL = 56.0  # seconds, of fill.py
EDITS = 3
RECORDED = 1000  # the most entries that are recorded at once


@shared_task(name="probe")
def probe(number: int) -> None:
    """Never run, because no worker runs."""


def stagger(first: float) -> int:
    """Let the entries that come often be due one after the other, all in one interval from this moment on.

    Every other entry has just run. Return the number of those that come often.
    """
    PeriodicTask.objects.update(last_run_at=datetime.now(UTC), total_run_count=1)
    often = list(PeriodicTask.objects.filter(interval__period="seconds").order_by("pk").values_list("pk", flat=True))
    due = (datetime.fromtimestamp(first + number * INTERVAL / len(often), UTC) for number in range(len(often)))
    adapt = connection.ops.adapt_datetimefield_value
    rows = [(adapt(moment - timedelta(seconds=INTERVAL)), pk) for moment, pk in zip(due, often, strict=True)]
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE django_celery_beat_periodictask SET last_run_at = %s WHERE id = %s", rows)
    PeriodicTasks.update_changed()
    return len(often)


def spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run(scheduler: object, end: float) -> None:
    """What `celery.beat.Service.start` does, until this moment."""
    while time.time() < end:
        wait = scheduler.tick()
        if wait and wait > 0:
            time.sleep(max(0.0, min(wait, end - time.time())))
            if scheduler.should_sync():
                scheduler._do_sync()


def measure(name: str, seconds: float) -> dict[str, float]:
    """All figures."""
    count = PeriodicTask.objects.count()
    first = time.time() + 10 + count / 1500
    often = stagger(first)
    begin = time.monotonic()
    scheduler = Service(celery_app, scheduler_cls=name).get_scheduler()
    scheduler.tick()
    start = time.monotonic() - begin

    late = []
    send = scheduler.apply_async

    def sending(entry: object, **options: object) -> object:
        due = entry.last_run_at.timestamp() + INTERVAL
        result = send(entry, **options)
        late.append(time.time() - due)
        return result

    scheduler.apply_async = sending
    scheduler.tick()
    ticks, begin = 0, time.monotonic()
    while time.monotonic() - begin < 2:
        scheduler.tick()
        ticks += 1
    tick = (time.monotonic() - begin) / ticks

    run(scheduler, first)
    before = spent()
    run(scheduler, first + seconds)
    cpu = (spent() - before) / seconds
    due = often * min(seconds, INTERVAL) / INTERVAL
    percentiles = quantiles(late, n=100) if len(late) > 1 else [0.0] * 99
    figures = {
        "start-up, s": start,
        "a tick, ms": tick * 1000,
        "due a second": due / seconds,
        "sent a second": len(late) / seconds,
        "CPU, % of a core": cpu * 100,
        "lateness p50, s": percentiles[49],
        "lateness p95, s": percentiles[94],
        "lateness max, s": max(late, default=0.0),
    }

    scheduler.apply_async = lambda entry, **options: None
    reloads = []
    for number in range(EDITS):
        row = PeriodicTask.objects.filter(interval__period="days").first()
        row.args = f"[{number}]"
        row.save()
        scheduler._looked = float("-inf")  # ours looks once a second
        begin = time.monotonic()
        while scheduler.schedule[row.name].args != [number]:
            pass
        scheduler.tick()
        reloads.append(time.monotonic() - begin)
    scheduler.sync()
    entries = list(scheduler.schedule.values())[:RECORDED]
    for entry in entries:
        scheduler.reserve(entry)
    begin = time.monotonic()
    scheduler.sync()
    figures["a record, ms"] = (time.monotonic() - begin) / len(entries) * 1000
    figures["reload after an edit, s"] = sorted(reloads)[EDITS // 2]
    figures["memory at most, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    scheduler.close()
    return figures


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], float(sys.argv[2]))))
