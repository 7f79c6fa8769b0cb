"""Measures the outbox of a project, and prints the figures as JSON. ``outbox.py`` copies this into a project."""

import json
import time
from collections.abc import Callable

import django

django.setup()

# The settings come first.
from background.models import Lease, OutboxMessage  # noqa: E402
from background.outbox.relay import Relay  # noqa: E402
from background.tasks import delete_old_records as task  # noqa: E402
from config import celery_app  # noqa: E402
from django.db import transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

CALLS = 1000
ROWS = 10_000
IDLE = 20.0  # seconds


def a_second(enqueue: Callable[[], object]) -> float:
    """Transactions a second that write a row and enqueue a task."""
    start = time.perf_counter()
    for number in range(CALLS):
        with transaction.atomic():
            Lease.objects.filter(name="none").update(holder=str(number), ticked=timezone.now())
            enqueue()
    return CALLS / (time.perf_counter() - start)


def relay_all() -> float:
    """Seconds until the relay has sent all rows."""
    with transaction.atomic():
        while (left := ROWS - OutboxMessage.objects.count()) > 0:
            for _ in range(min(left, 1000)):
                task.delay_in_transaction()
    relay = Relay(celery_app, leads=lambda: True)
    start = time.perf_counter()
    while relay.send_batch():
        pass
    return time.perf_counter() - start


def idle() -> float:
    """CPU that a relay takes that has nothing to send, in percent of a core."""
    relay = Relay(celery_app, leads=lambda: True)
    before = time.process_time()
    relay.start()
    time.sleep(IDLE)
    used = time.process_time() - before
    relay.stop()
    return 100 * used / IDLE


if __name__ == "__main__":
    task.delay()  # connects
    figures = {
        "on commit": a_second(task.delay_on_commit),
        "in transaction": a_second(task.delay_in_transaction),
        "relay": relay_all(),
        "idle": idle(),
    }
    print(json.dumps(figures))
