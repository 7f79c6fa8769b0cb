"""Eager mode where requests would wait."""

from typing import Any

from celery import current_app
from django.conf import settings
from django.core.checks import CheckMessage, Warning


def check_eager(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Only a developer waits for tasks."""
    if not current_app.conf.task_always_eager or settings.DEBUG:
        return []
    return [
        Warning(
            "CELERY_TASK_ALWAYS_EAGER is True, and DEBUG is False: requests wait for their tasks, and a task that fails"
            " is not tried again later.",
            hint="Name a broker in CELERY_BROKER_URL, and run a worker; or silence this check where eager is meant.",
            id="background.W004",
        )
    ]
