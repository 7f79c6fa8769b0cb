"""The tasks of background/ itself."""

from celery import shared_task

from background.failures.record import delete_old


@shared_task
def delete_old_failures() -> int:
    """Delete the records of failures that are older than ``FAILURES_KEPT``, and return how many."""
    return delete_old()
