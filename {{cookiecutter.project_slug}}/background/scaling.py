"""``/scaling`` of the web server: how much work each queue has, for what starts and stops workers.

A queue's length alone would have a scaler stop workers that are busy: what a worker has taken is no longer in the queue. So the
figure is what waits *and* what is taken and not done. Where it can't be told the answer is 503, never a zero, which would stop
all workers.
"""

from collections import Counter
from concurrent.futures import TimeoutError as NoAnswer
from datetime import timedelta
from typing import Any

import django.db
from celery import Celery, current_app
from django.http import HttpRequest, HttpResponse, JsonResponse
from kombu import Connection

from background.overview.page import Seen, asking, processes
from background.overview.queues import lengths_over
from background.probe.broker import connected
from background.probe.page import machine_page
from background.registry import queue_names

PATIENCE = 2.0  # seconds for all that is asked of the broker. KEDA waits for three
SILENCE = timedelta(seconds=15)  # without a report, after which a worker does not count
RECORDS = 500  # of what is taken in Redis, asked for at once


def work(app: Celery) -> dict[str, int]:
    """For each queue of the settings, the messages that wait and those that are taken and not done.

    Raises:
        Exception: the broker or the database is away, or went away meanwhile.
    """
    if app.conf.task_always_eager:
        return dict.fromkeys(queue_names(app.conf.task_queues).values(), 0)
    with connected(app) as connection:
        waiting = {length.queue: length.waiting for length in lengths_over(connection, app)}
        of_redis = connection.transport.driver_type == "redis"
        taken = recorded(connection, app) if of_redis else reported(processes("worker"))
    return {queue: number + taken[queue] for queue, number in waiting.items()}


def recorded(connection: Connection, app: Celery) -> Counter[str]:
    """What Redis has on record as taken: also by a worker that has died since, until it is given back."""
    channel: Any = connection.default_channel
    names = queue_names(app.conf.task_queues)
    queues: dict[bytes, str] = {}  # by the name of the record, as a scan may tell one twice
    with channel.conn_or_acquire() as client:
        # To this command kombu adds no prefix.
        for name, record in client.hscan_iter(channel.global_keyprefix + channel.unacked_key, count=RECORDS):
            # It ends with the name of its queue: redis_delivery.py.
            queues[name] = bytes(record).rsplit(b'"', 2)[-2].decode(errors="replace")
    return Counter(names.get(queue, queue) for queue in queues.values())


def reported(workers: list[Seen]) -> Counter[str]:
    """What these workers say that they have taken. RabbitMQ gives the messages of one that died back at once."""
    found: Counter[str] = Counter()
    for worker in workers:
        if worker.age <= SILENCE:
            found.update(worker.report.get("taken", {}))
    return found


def answer(request: HttpRequest) -> HttpResponse:
    """The figures as JSON, as ``{"default": 12, "long": 0}``, or 503 if they can't be told."""
    asked = asking.submit(in_a_thread, current_app)
    try:
        return JsonResponse(asked.result(PATIENCE))
    except NoAnswer:
        asked.cancel()  # if nobody has begun to ask yet
        reason = "the broker or the database does not answer"
    except Exception as error:  # of whatever kind the broker is
        reason = " ".join(f"{type(error).__name__}: {error}".split())
    return HttpResponse(f"How much work there is can't be told: {reason}.\n", status=503, content_type="text/plain")


def in_a_thread(app: Celery) -> dict[str, int]:
    try:
        return work(app)
    finally:
        django.db.connection.close()


middleware = machine_page("/scaling", "SCALING_TOKEN", answer)
