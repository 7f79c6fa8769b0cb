"""Brokers for which the promises of docs/ do not hold."""

import re
from typing import Any

from celery import current_app
from django.core.checks import CheckMessage, Error, Warning
from kombu.utils.url import maybe_sanitize_url

from background.checks.urls import broker_urls, split

# What config/settings/celery.py and background/broker/ know. In eager mode the URL is that of memory.
KNOWN = {"redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps", "memory"}


CLUSTER = re.compile(r"rediss?[-+]?cluster|cluster[-+]?rediss?", re.IGNORECASE)


def check_transport(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The scheme of the broker's URL is one that the settings and the tests know.

    Otherwise Celery takes the URL, and without a word none of the options apply that config/settings/celery.py sets for its
    kind of broker.
    """
    if current_app.conf.task_always_eager:
        return []
    found: list[CheckMessage] = []
    schemes = {url: split(url).scheme for url in broker_urls()}
    for url, scheme in schemes.items():
        if CLUSTER.fullmatch(scheme):
            found.append(
                Error(
                    f"CELERY_BROKER_URL ({maybe_sanitize_url(url)}) names a Redis Cluster, which Celery can't use.",
                    hint="Take one server, or Sentinel: docs/failover.md.",
                    id="background.E019",
                )
            )
        elif scheme and scheme not in KNOWN:
            found.append(
                Warning(
                    f"CELERY_BROKER_URL ({maybe_sanitize_url(url)}) has the scheme {scheme!r}, for which these promises do not hold:"
                    " enqueueing fails within two seconds, a killed worker loses no message, and /health/ sees the workers.",
                    hint="Use redis://, rediss://, sentinel://, amqp:// or amqps://. docs/switching.md says more.",
                    id="background.W018",
                )
            )
    if len(schemes) > 1 and {"redis", "rediss", "redis+socket"} & set(schemes.values()):
        found.append(
            Warning(
                "CELERY_BROKER_URL names several servers of Redis that know nothing of each other. If one is lost, so are its"
                " messages until it is back, and no worker takes them meanwhile.",
                hint="Use Sentinel, whose addresses are sentinel:// URLs: docs/failover.md.",
                id="background.W020",
            )
        )
    return found
