"""Sends the task of an entry now."""

from typing import Any

from celery import Celery
from celery.result import AsyncResult
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from kombu.utils.json import loads

from background.schedule.faults import ROUTES
from background.schedule.rows import RefusedEntryError, UnknownEntryError


def run(app: Celery, key: str) -> AsyncResult:
    """Send the task of an entry now, as beat does when the entry is due. Its last run and its next run do not change.

    Raises:
        UnknownEntryError: the entry does not exist, or tasks are eager and its task is not registered here.
        RefusedEntryError: the row's arguments or headers are not JSON.
        background.task.BrokerUnavailableError: the task was not sent.
    """
    row = PeriodicTask.objects.filter(name=key).first()
    if row is None:
        names = PeriodicTask.objects.values_list("name", flat=True)
        raise UnknownEntryError(f"{key} is not in the database.", key, names)
    try:
        args, kwargs, options = loads(row.args or "[]"), loads(row.kwargs or "{}"), options_of(row)
    except ValueError as error:
        raise RefusedEntryError(key, [f"its arguments or headers are not JSON ({error})"]) from error
    app.loader.import_default_modules()
    if task := app.tasks.get(row.task):
        return task.apply_async(args, kwargs, **options)
    if app.conf.task_always_eager:
        raise UnknownEntryError(
            f"{row.task}, the task of {key}, is not registered here. In eager mode no worker can run it either."
        )
    return app.send_task(row.task, args, kwargs, **options)


def options_of(row: PeriodicTask) -> dict[str, Any]:
    """How beat sends the task of a row: the options of ``ModelEntry``, and the headers that it and Celery add.

    A person can still run the entry after it has expired.
    """
    options = {name: getattr(row, name) for name in (*ROUTES, "priority") if getattr(row, name) is not None}
    if row.expires and row.expires > timezone.now():
        options["expires"] = row.expires
    elif row.expire_seconds:
        options["expires"] = row.expire_seconds
    headers = loads(row.headers or "{}")
    return {**options, "headers": {**headers, "periodic_task_name": row.name, "celery_beat_task": True}}
