"""The tasks that are measured. All do nothing; ``KIND`` names which of them ``measure.py`` enqueues."""

import os
from types import SimpleNamespace

import celery
from celery import shared_task
from django.tasks import task

from background.task import Task


class WithoutHook(Task):
    """The task class without the hook in which a task that runs one at a time takes its lease."""

    before_start = celery.Task.before_start


@shared_task
def plain() -> None:
    pass


@shared_task(base=WithoutHook)
def without_hook() -> None:
    pass


@shared_task(one_at_a_time=True)
def alone() -> None:
    pass


@shared_task
def fail() -> None:
    raise LookupError("on purpose")


@task
def function() -> None:
    pass


@task(backend="kept")
def function_with_result() -> None:
    pass


KINDS = {
    "a task": plain,
    "without the hook": without_hook,
    "one at a time": alone,
    "fails": fail,
    "django": SimpleNamespace(delay=function.enqueue, app=plain.app),
    "django kept": SimpleNamespace(delay=function_with_result.enqueue, app=plain.app),
}
# And a worker that reports nothing to the overview.
KINDS["without reports"] = plain
if os.environ["KIND"] == "without reports":
    plain.app.steps["worker"].discard("background.overview.report:ReportStep")
nothing = KINDS[os.environ["KIND"]]
