"""The tasks of background/ itself."""

from celery import shared_task
from django.conf import settings
from django.utils.module_loading import import_string

from background.failures.record import delete_old
from background.one_at_a_time import delete_left

# Backends of Django's tasks, of Django 6.0, register what they need in a worker.
for backend in getattr(settings, "TASKS", {}).values():
    import_string(backend["BACKEND"])


@shared_task
def delete_old_records() -> dict[str, int]:
    """Delete old failures and the leases of killed runs, and return how many of each."""
    return {"failures": delete_old(), "leases": delete_left()}
