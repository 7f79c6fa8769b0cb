"""The tasks of the project."""

from celery import Task, current_app

from background.registry import registered_tasks


def own_tasks() -> dict[str, Task]:
    """The tasks that are not Celery's own, by name."""
    return {
        name: task for name, task in sorted(registered_tasks(current_app).items()) if not name.startswith("celery.")
    }
