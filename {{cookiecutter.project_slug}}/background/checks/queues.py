"""Queues that no worker serves: their tasks would wait for ever."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from celery import current_app
from celery.exceptions import QueueNotFound
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from background.checks.tasks import own_tasks
from background.registry import declared_queues

FILES = ("compose.yaml", "compose.production.yaml", "deploy/kubernetes/base/workers.yaml")
# The value of each ``command:`` of Compose and ``args:`` of Kubernetes, in one line or in the deeper lines below it.
COMMAND = re.compile(r"^( *)(?:command|args):(.*(?:\n\1[ -]+.*)*)", re.MULTILINE)
WORKER = re.compile(r"(?<![\w-])worker(?![\w-])")  # and not gunicorn's --worker-class
QUEUES = re.compile(r"""(?:--queues|-Q)[\s=,"'-]+([\w.-]+(?:,[\w.-]+)*)""")


def check_routes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Each queue that a route, a task or the default names is one of the settings. Enqueueing there is an error otherwise."""
    conf, router = current_app.conf, current_app.amqp.router
    if not conf.task_queues or conf.task_create_missing_queues:
        return []
    found = {}
    if conf.task_default_queue not in declared_queues():
        found["CELERY_TASK_DEFAULT_QUEUE"] = conf.task_default_queue
    for pattern, queue in routes(conf.task_routes):
        if queue not in declared_queues():
            found[f"CELERY_TASK_ROUTES[{pattern!r}]"] = queue
    for name, task in own_tasks().items():
        try:
            router.route(task._get_exec_options(), name, (), {})
        except QueueNotFound as error:
            if not any(repr(queue) in str(error) for queue in found.values()):  # the route was found above
                found[f"The task {name}"] = str(error)
        except Exception:  # a function of the project's own, which may want the arguments of a real call
            continue
    return [
        Error(
            f"{what}: its queue is not in CELERY_TASK_QUEUES: {queue}.",
            hint="Name one of those queues, or add it to QUEUES. Enqueueing would raise QueueNotFound.",
            id="background.E015",
        )
        for what, queue in found.items()
    ]


def routes(value: Any) -> Iterator[tuple[Any, Any]]:
    """The patterns of the routes that are written down, and the queue of each. Functions are asked for each task instead."""
    if isinstance(value, Mapping):
        for pattern, route in value.items():
            queue = route.get("queue") if isinstance(route, Mapping) else route
            if isinstance(queue, str):
                yield pattern, queue
    elif isinstance(value, list | tuple):
        if len(value) == 2 and isinstance(value[1], Mapping) and not isinstance(value[0], Mapping):
            yield from routes({value[0]: value[1]})
        else:
            for part in value:
                yield from routes(part)


def served(file: Path) -> set[str]:
    """The queues that the workers of a Compose file, or of Kubernetes' manifests, serve. A worker that is told of none serves all."""
    found: set[str] = set()
    for _, command in COMMAND.findall(file.read_text(encoding="utf-8")):
        if WORKER.search(command):
            names = QUEUES.search(command)
            found |= set(names[1].split(",")) if names else declared_queues()
    return found


def check_queues(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Each queue of the settings is served, as far as the Compose files beside manage.py and the manifests can tell.

    In an image there are none, and nothing is found.
    """
    folder = Path(getattr(settings, "BASE_DIR", "."))
    return [
        Warning(
            f"The queue {queue!r} is in CELERY_TASK_QUEUES, but no worker in {name} serves it: its tasks would wait for ever.",
            hint=f"Add a worker with `--queues {queue}` to {name}, or add the queue to the --queues of another one.",
            id="background.W014",
        )
        for name in FILES
        if (folder / name).is_file()
        for queue in sorted(declared_queues() - served(folder / name))
    ]
