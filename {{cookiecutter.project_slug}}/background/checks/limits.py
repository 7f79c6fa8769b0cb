"""How long tasks may take."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from celery import current_app
from django.core.checks import CheckMessage, Warning

from background.checks.tasks import own_tasks
from background.checks.urls import REDIS, broker_urls, split

VISIBILITY_TIMEOUT = 3600  # seconds, kombu's own: kombu/transport/redis.py


class Limits(NamedTuple):
    """How long tasks may take, in seconds. None means without limit."""

    hard: float | None
    soft: float | None
    acks_late: bool


def limits() -> Iterator[tuple[str, str, Limits]]:
    """The limits of the settings, and of each task that has others. Each with the names of its hard and soft limit."""
    conf = current_app.conf
    common = Limits(conf.task_time_limit, conf.task_soft_time_limit, conf.task_acks_late)
    yield "CELERY_TASK_TIME_LIMIT", "CELERY_TASK_SOFT_TIME_LIMIT", common
    for name, task in own_tasks().items():
        own = Limits(task.time_limit, task.soft_time_limit, task.acks_late)
        if own != common:
            yield f"time_limit of {name}", f"soft_time_limit of {name}", own


def check_time_limits(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Every task ends, and does so before Redis considers it lost."""
    found: list[CheckMessage] = []
    timeout = None
    if any(split(url).scheme in REDIS for url in broker_urls()):
        timeout = current_app.conf.broker_transport_options.get("visibility_timeout", VISIBILITY_TIMEOUT)
    for hard, soft, limit in limits():
        name, longest = (soft, limit.soft) if (limit.soft or 0) > (limit.hard or 0) else (hard, limit.hard)
        if timeout and longest and longest >= timeout and limit.acks_late:
            found.append(
                Warning(
                    f"{name} is {longest} s, but the broker's visibility timeout is {timeout} s. A task that still runs"
                    " then is given to another worker as well.",
                    hint="Lower the limit, or raise visibility_timeout in CELERY_BROKER_TRANSPORT_OPTIONS above it.",
                    id="background.W001",
                )
            )
        if not limit.hard:
            found.append(
                Warning(
                    f"{hard} is {limit.hard!r}. A task that hangs blocks its worker process forever.",
                    hint="Set a limit in seconds. A soft limit alone does not end a task that catches its exception.",
                    id="background.W002",
                )
            )
        elif limit.soft and limit.soft >= limit.hard:
            found.append(
                Warning(
                    f"{soft} is {limit.soft} s and {hard} is {limit.hard} s. The task is killed without a clean-up.",
                    hint="Set the soft limit a few seconds below the hard one.",
                    id="background.W003",
                )
            )
    return found
