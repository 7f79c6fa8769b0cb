"""Measures the page, and prints a line. ``overview.py`` copies this into a project."""

import time
from datetime import timedelta
from statistics import median

import django

django.setup()

# The settings come first.
from background.models import FailedTask, Lease, RunningProcess  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask  # noqa: E402

FAILURES, ENTRIES, CRONTABS, WORKERS = 100_000, 50_000, 300, 100


def milliseconds(client: Client) -> str:
    """The median of seven requests and the longest: once a minute a process computes when the crontabs come round."""
    found = []
    for _ in range(7):
        begin = time.perf_counter()
        response = client.get("/admin/background/overview/")
        found.append(1000 * (time.perf_counter() - begin))
        assert response.status_code == 200
    return f"{median(found):.0f} ms (at most {max(found):.0f})"


if __name__ == "__main__":
    client = Client(SERVER_NAME="localhost")
    client.force_login(get_user_model().objects.create_superuser("ada", "ada@example.com", "a password"))
    few = milliseconds(client)
    now = timezone.now()
    hour = IntervalSchedule.objects.create(every=1, period="hours")
    crontabs = [
        CrontabSchedule(minute=str(n % 60), hour=str(n % 24), day_of_month=str(1 + n % 28)) for n in range(CRONTABS)
    ]
    CrontabSchedule.objects.bulk_create(crontabs)
    PeriodicTask.objects.bulk_create(
        PeriodicTask(name=f"crontab-{number}", task=f"task-{number % 50}", crontab=crontabs[number % CRONTABS])
        for number in range(ENTRIES // 2)
    )
    PeriodicTask.objects.bulk_create(
        PeriodicTask(
            name=f"entry-{number}",
            task=f"task-{number % 50}",
            interval=hour,
            last_run_at=now - timedelta(seconds=number),
        )
        for number in range(ENTRIES // 2)
    )
    FailedTask.objects.bulk_create(
        FailedTask(
            task_id=str(number),
            task=f"task-{number % 50}",
            entry=f"entry-{number % ENTRIES}",
            exception="LookupError",
            reason="there is none",
            traceback="Traceback\n" * 50,
            attempts=1,
        )
        for number in range(FAILURES)
    )
    running = [{"id": str(n), "task": "a", "arguments": "(1,)", "since": time.time(), "pid": 1} for n in range(8)]
    told = {"state": "ready", "queues": ["default"], "processes": 8, "memory": 1, "running": running, "taken": {}}
    RunningProcess.objects.bulk_create(
        RunningProcess(kind="worker", name=f"w{number}", started=now, seen=now, report=told)
        for number in range(WORKERS)
    )
    Lease.objects.create(name="beat", holder="one", since=now, ticked=now, expires=now + timedelta(hours=1))
    RunningProcess.objects.create(kind="beat", name="one", started=now, seen=now, report={"next": [], "late": 0})
    many = milliseconds(client)
    print(
        f"{few} with nothing, {many} with {FAILURES} failures of the last day,"
        f" {ENTRIES} entries, half of them of {CRONTABS} crontabs, and {WORKERS} workers"
    )
