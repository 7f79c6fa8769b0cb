"""Eager mode where requests would wait."""

from typing import Any

from celery import current_app
from django.conf import settings
from django.core.checks import CheckMessage, Warning


def check_eager(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Outside development, requests must not wait for tasks."""
    if not current_app.conf.task_always_eager or settings.DEBUG:
        return []
    return [
        Warning(
            "CELERY_TASK_ALWAYS_EAGER is True while DEBUG is False. Requests wait for their tasks, and a task that"
            " fails is not retried later.",
            hint="Set CELERY_BROKER_URL and run a worker. If eager mode is intended, silence this check.",
            id="background.W004",
        )
    ]
