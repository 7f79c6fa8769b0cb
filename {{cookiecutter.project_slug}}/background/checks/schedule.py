"""Entries of the settings that would not run."""

from collections.abc import Iterator, Mapping
from typing import Any

from celery import Task, current_app
from celery.exceptions import QueueNotFound
from celery.utils.imports import load_extension_class_names, symbol_by_name
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django_celery_beat.schedulers import DatabaseScheduler

from background.registry import entries_in_code, registered_tasks
from background.schedule.faults import faults


def scheduler_class() -> Any:
    """The class that ``CELERY_BEAT_SCHEDULER`` names, found as ``celery beat`` finds it."""
    return symbol_by_name(
        current_app.conf.beat_scheduler, aliases=dict(load_extension_class_names("celery.beat_schedulers"))
    )


def check_scheduler(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """beat exits at once if it can't import its scheduler."""
    try:
        scheduler_class()
    except (ImportError, AttributeError, ValueError) as error:
        return [
            Error(
                f"CELERY_BEAT_SCHEDULER is {current_app.conf.beat_scheduler!r}, which can't be imported: {error}.",
                hint="Write it as 'module:Class'.",
                id="background.E009",
            )
        ]
    return []


def check_time_zones(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Times of the schedule are moments. Without time zones django-celery-beat and the admin compare them with others."""
    if settings.USE_TZ or not is_in_database():
        return []
    return [
        Error(
            "USE_TZ is False. beat, the admin's list of entries and manage.py schedule would end with a ValueError.",
            hint="Set USE_TZ = True. https://docs.djangoproject.com/en/stable/topics/i18n/timezones/#migration-guide",
            id="background.E016",
        )
    ]


def check_schedule(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Each entry of the settings reaches the database as it is written, and a worker knows what to do with it."""
    tasks = registered_tasks(current_app)
    found: list[CheckMessage] = []
    for key, entry in entries_in_code(current_app).items():
        name = f"CELERY_BEAT_SCHEDULE[{key!r}]"
        found += [
            Error(
                f"{name}: {reason}.",
                hint="Correct the entry. The database, from which beat reads the schedule, can't hold it as written.",
                id="background.E010",
            )
            for reason in (faults(key, entry) if is_in_database() else [])
        ]
        if isinstance(entry, Mapping):
            found += check_call(name, entry, tasks)
    return found


def is_in_database() -> bool:
    """Whether beat keeps the schedule in the database. Other schedulers allow other things in an entry."""
    return not check_scheduler(None) and issubclass(scheduler_class(), DatabaseScheduler)


def check_call(name: str, entry: Mapping[str, Any], tasks: dict[str, Task]) -> Iterator[CheckMessage]:
    """What keeps beat from sending the task of an entry, or a worker from calling it."""
    task, args, kwargs = entry.get("task"), entry.get("args") or (), entry.get("kwargs") or {}
    options = entry.get("options") or {}
    if not isinstance(task, str) or not isinstance(options, Mapping):
        return
    own = tasks[task]._get_exec_options() if task in tasks else {}
    try:
        current_app.amqp.router.route({**own, **options}, task, args, kwargs)
    except QueueNotFound as error:
        yield Error(
            f"{name}: its queue is not in CELERY_TASK_QUEUES: {error}.",
            hint="Name one of those queues. beat logs this error each time the entry is due, and sends nothing.",
            id="background.E013",
        )
    if task not in tasks:
        yield Error(
            f"{name}: the task {task!r} is not registered. A worker discards its message.",
            hint="Name a task by module and function: 'app.tasks.function'. If workers with other code run the task,"
            " silence this check.",
            id="background.E011",
        )
    elif tasks[task].typing and isinstance(args, list | tuple) and isinstance(kwargs, dict):
        try:
            tasks[task].__header__(*args, **kwargs)
        except TypeError as error:
            yield Error(
                f"{name}: its arguments do not fit {task}: {error}.",
                hint="Correct them. beat logs this error each time the entry is due, and sends nothing.",
                id="background.E012",
            )
