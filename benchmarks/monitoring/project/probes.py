"""A task that does nothing, and ninety-nine more names. ``KIND`` says what of a worker can be seen."""

import os

from celery import shared_task


@shared_task
def nothing() -> None:
    pass


def other() -> None:
    pass


OTHERS = [shared_task(name=f"probes.other_{number}")(other) for number in range(99)]

if os.environ["KIND"] in ("nothing", "received"):
    nothing.app.steps["worker"].discard("background.overview.report:ReportStep")
