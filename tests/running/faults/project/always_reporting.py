"""The project's app, whose worker reports itself without a pause. The fault tests copy this into a project."""

from typing import Any

from celery.signals import celeryd_after_setup

from config.celery import app

__all__ = ["app"]


@celeryd_after_setup.connect
def report_without_a_pause(**others: Any) -> None:
    from background.overview import report  # has models, which are there only now

    report.INTERVAL = 0.0
