"""Results in the project's database, as django-celery-results stores them.

The main process of a worker records what its pool can't: tasks that have expired, were revoked, took too long or lost their
process. Between two of them hours can pass, in which the database's server closes the connection. Django looks after
connections where a request or a task begins, and here neither does.
"""

from typing import Any

import django.db
from celery import states
from celery._state import get_current_task
from celery.utils.log import get_logger
from django.db import connections, router
from django_celery_results.backends import DatabaseBackend as Upstream

logger = get_logger(__name__)


class DatabaseBackend(Upstream):
    """The backend ``django-db``, which survives a lost connection and a transaction that a task broke."""

    def _store_result(self, task_id: str, result: Any, status: str, *args: Any, **kwargs: Any) -> Any:
        """Store a state.

        Where nobody could do anything about an error, it is logged and not raised: in the main process of a worker, which
        would end, and in a transaction that an eager task has just broken, whose own error is raised then.
        """
        connection = self.refresh()
        try:
            return super()._store_result(task_id, result, status, *args, **kwargs)
        except django.db.Error as error:
            is_broken = connection.in_atomic_block and status in states.EXCEPTION_STATES
            if not is_broken and not self.is_main_process:
                raise
            logger.error("The state %s of task %s could not be stored: %s", status, task_id, error)
            return result

    def on_chord_part_return(self, *args: Any, **kwargs: Any) -> None:
        self.refresh()
        super().on_chord_part_return(*args, **kwargs)

    @property
    def is_main_process(self) -> bool:
        """Whether this is the process of a worker that hands out tasks, and runs none."""
        return bool(self.app.is_worker) and get_current_task() is None

    def refresh(self) -> Any:
        """In the main process, close the connection if it no longer works. The next query opens another.

        Each look is a query, and elsewhere Django or Celery looks when a request or a task begins.
        """
        connection = connections[router.db_for_write(self.TaskModel)]
        if self.is_main_process:
            connection.close_if_unusable_or_obsolete()
        return connection
