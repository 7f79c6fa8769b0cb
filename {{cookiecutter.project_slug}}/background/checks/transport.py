"""Brokers for which the promises of docs/ do not hold."""

from typing import Any

from celery import current_app
from django.core.checks import CheckMessage, Warning
from kombu.utils.url import maybe_sanitize_url

from background.checks.urls import broker_urls, split

# What config/settings/celery.py and background/broker/ know. In eager mode the URL is that of memory.
KNOWN = {"redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps", "memory"}


def check_transport(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The scheme of the broker's URL is one that the settings and the tests know.

    Otherwise Celery takes the URL, and without a word none of the options apply that config/settings/celery.py sets for its
    kind of broker.
    """
    if current_app.conf.task_always_eager:
        return []
    return [
        Warning(
            f"CELERY_BROKER_URL ({maybe_sanitize_url(url)}) has the scheme {scheme!r}, for which these promises do not hold:"
            " enqueueing fails within two seconds, a killed worker loses no message, and /health/ sees the workers.",
            hint="Use redis://, rediss://, sentinel://, amqp:// or amqps://. docs/switching.md says more.",
            id="background.W018",
        )
        for url in broker_urls()
        if (scheme := split(url).scheme) and scheme not in KNOWN
    ]
