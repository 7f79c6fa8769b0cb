"""The tasks that a worker would know."""

from celery import Task, current_app
from django.utils.module_loading import autodiscover_modules


def registered_tasks() -> dict[str, Task]:
    """The tasks that a worker would know.

    ``loader.import_default_modules()`` would find them too, but makes Celery run all checks, and so this one, again
    (``celery/fixups/django.py``, ``validate_models``).
    """
    autodiscover_modules("tasks")
    for module in current_app.loader.default_modules:
        current_app.loader.import_task_module(module)
    tasks: dict[str, Task] = dict(current_app.tasks)
    return tasks


def own_tasks() -> dict[str, Task]:
    """The tasks that are not Celery's own, by name."""
    return {name: task for name, task in sorted(registered_tasks().items()) if not name.startswith("celery.")}
