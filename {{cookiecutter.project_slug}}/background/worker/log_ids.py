"""The ids in a task's lines of the log: its own, and what django-structlog put into its message, such as the web request's.

django-structlog 11 has a step for workers too. It costs a worker a tenth of its throughput: it asks for each task whether its own
lines are wanted, which would say what Celery's say. So it only fills messages here, and this reads them.
"""

from contextlib import AbstractContextManager
from typing import Any

from celery.signals import task_postrun, task_prerun
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars

HEADER = "__django_structlog__"  # of django_structlog.celery.receivers


def ids(task_id: str, sent: Any) -> dict[str, Any]:
    """What each line of a task has, by the value of its message's header. Another program may have sent anything."""
    return {**(sent if isinstance(sent, dict) else {}), "task_id": task_id}


def with_ids(task_id: str, headers: dict[str, Any]) -> AbstractContextManager[None]:
    """While this lasts, lines of the log are about this task."""
    return bound_contextvars(**ids(task_id, headers.get(HEADER)))


def listen() -> None:
    """Let the tasks of this process have them from now on. Eager tasks have those of the request that runs them."""
    task_prerun.connect(begin)
    task_postrun.connect(end)


def begin(task_id: str, task: Any, **kwargs: Any) -> None:
    bind_contextvars(**ids(task_id, getattr(task.request, HEADER, None)))


def end(**kwargs: Any) -> None:
    """The last line of a task was written before."""
    clear_contextvars()
