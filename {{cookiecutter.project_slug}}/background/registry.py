"""What the code of the project says: its tasks, its queues, and its schedule."""

from collections.abc import Iterable, Mapping
from typing import Any

from celery import Celery, Task, current_app
from django.utils.module_loading import autodiscover_modules
from kombu import Queue


def registered_tasks(app: Celery) -> dict[str, Task]:
    """The tasks that a worker would know.

    ``loader.import_default_modules()`` would find them too, but makes Celery run all system checks, and so those that call
    this, again (``celery/fixups/django.py``, ``validate_models``).
    """
    autodiscover_modules("tasks")
    for module in app.loader.default_modules:
        app.loader.import_task_module(module)
    tasks: dict[str, Task] = dict(app.tasks)
    return tasks


def queue_names(queues: Iterable[Queue] | None) -> dict[str, str]:
    """What the broker calls each queue, and what the settings call it.

    Tests that go through a broker give each another name, and keep that of the settings as its alias.
    """
    return {queue.name: queue.alias or queue.name for queue in queues or ()}


def declared_queues() -> set[str]:
    """The queues of the settings."""
    return set(queue_names(current_app.conf.task_queues).values())


def entries_in_code(app: Celery) -> Mapping[str, Any]:
    """The entries of the schedule: ``CELERY_BEAT_SCHEDULE``, and what ``app.add_periodic_task`` adds to it.

    The second are added by handlers of ``on_after_configure`` and ``on_after_finalize``, which may be in a module of tasks. So
    the tasks are imported and the app is finalised first, as beat does at its start.
    """
    registered_tasks(app)
    app.finalize()
    entries: Mapping[str, Any] = app.conf.beat_schedule
    return entries
