"""The serializers of messages and results."""

from typing import Any

from celery import current_app
from django.core.checks import CheckMessage, Error, Warning
from kombu.serialization import registry

from background.checks.tasks import own_tasks

JSON = {"json", "application/json"}


def check_serializers(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """JSON in and out, and what is sent must be accepted."""
    conf = current_app.conf
    accepted = {
        "CELERY_ACCEPT_CONTENT": conf.accept_content,
        "CELERY_RESULT_ACCEPT_CONTENT": conf.result_accept_content,
    }
    used = [
        ("CELERY_TASK_SERIALIZER", conf.task_serializer, "CELERY_ACCEPT_CONTENT"),
        (
            "CELERY_RESULT_SERIALIZER",
            conf.result_serializer,
            "CELERY_ACCEPT_CONTENT" if conf.result_accept_content is None else "CELERY_RESULT_ACCEPT_CONTENT",
        ),
    ]
    used += [
        (f"serializer of {name}", task.serializer, "CELERY_ACCEPT_CONTENT")
        for name, task in own_tasks().items()
        if task.serializer != conf.task_serializer
    ]
    unusual = [f"{name} is {value!r}" for name, value, _ in used if value not in JSON]
    unusual += [
        f"{name} has {value!r}" for name, values in accepted.items() for value in values or () if value not in JSON
    ]
    found: list[CheckMessage] = [
        Warning(
            f"{what}, not JSON.",
            hint="Use 'json'. With pickle, anyone who can write to the broker can run code in the worker.",
            id="background.W007",
        )
        for what in unusual
    ]
    for name, value, setting in used:
        if content_type(value) not in map(content_type, accepted[setting]):
            found.append(
                Error(
                    f"{name} is {value!r}, but {setting} is {list(accepted[setting])!r}. Messages would be discarded.",
                    hint="Use 'json' in both.",
                    id="background.E008",
                )
            )
    return found


def content_type(serializer: str) -> str:
    """The content type of a serializer that is given by its name or its content type."""
    name: str = registry.name_to_type.get(serializer, serializer)
    return name
