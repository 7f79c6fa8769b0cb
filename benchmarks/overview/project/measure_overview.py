"""Measures the page, and prints a line. ``overview.py`` copies this into a project."""

import time
from datetime import timedelta
from statistics import median

import django

django.setup()

# The settings come first.
from background.models import FailedTask, RunningProcess  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402
from django_celery_beat.models import IntervalSchedule, PeriodicTask  # noqa: E402

FAILURES, ENTRIES, WORKERS = 100_000, 50_000, 100


def milliseconds(client: Client) -> float:
    """The median of seven requests."""
    found = []
    for _ in range(7):
        begin = time.perf_counter()
        response = client.get("/admin/background/overview/")
        found.append(1000 * (time.perf_counter() - begin))
        assert response.status_code == 200
    return median(found)


if __name__ == "__main__":
    client = Client(SERVER_NAME="localhost")
    client.force_login(get_user_model().objects.create_superuser("ada", "ada@example.com", "a password"))
    few = milliseconds(client)
    now = timezone.now()
    hour = IntervalSchedule.objects.create(every=1, period="hours")
    PeriodicTask.objects.bulk_create(
        PeriodicTask(
            name=f"entry-{number}",
            task=f"task-{number % 50}",
            interval=hour,
            last_run_at=now - timedelta(seconds=number),
        )
        for number in range(ENTRIES)
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
    many = milliseconds(client)
    print(
        f"{few:.0f} ms with nothing, {many:.0f} ms with {FAILURES} failures of the last day,"
        f" {ENTRIES} entries and {WORKERS} workers"
    )
