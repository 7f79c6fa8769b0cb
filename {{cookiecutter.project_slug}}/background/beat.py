"""What beat does differently from the processes that only enqueue."""

from typing import Any

from celery.signals import beat_init
from django.conf import settings


def refuse_eager_production(sender: Any, **kwargs: Any) -> None:
    """End a beat that would run the tasks in its own process, one after another, where that is not for development.

    Raises:
        SystemExit: there is no broker, and ``DEBUG`` is off.
    """
    if sender.app.conf.task_always_eager and not settings.DEBUG:
        raise SystemExit(
            "There is no broker, so beat would run each task itself, and the others would wait for it: CELERY_BROKER_URL is"
            " empty. That is for development only; docs/celery.md says how to turn a broker on."
        )


def install() -> None:
    """Ask every beat, before its first tick."""
    beat_init.connect(refuse_eager_production)
