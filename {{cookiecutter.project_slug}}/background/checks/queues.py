"""Queues that no worker serves: their tasks would wait for ever."""

import re
from pathlib import Path
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.checks import CheckMessage, Warning

FILES = ("compose.yaml", "compose.production.yaml")
# The value of each ``command:``, in one line or in the deeper lines below it.
COMMAND = re.compile(r"^( *)command:(.*(?:\n\1[ -]+.*)*)", re.MULTILINE)
WORKER = re.compile(r"(?<![\w-])worker(?![\w-])")  # and not gunicorn's --worker-class
QUEUES = re.compile(r"""(?:--queues|-Q)[\s=,"'-]+([\w.-]+(?:,[\w.-]+)*)""")


def declared() -> set[str]:
    """The queues of the settings. Tests that go through a broker give each another name, and keep this one as its alias."""
    return {queue.alias or queue.name for queue in current_app.conf.task_queues or ()}


def served(file: Path) -> set[str]:
    """The queues that the workers of a Compose file serve. A worker that is told of none serves all."""
    found: set[str] = set()
    for _, command in COMMAND.findall(file.read_text(encoding="utf-8")):
        if WORKER.search(command):
            names = QUEUES.search(command)
            found |= set(names[1].split(",")) if names else declared()
    return found


def check_queues(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Each queue of the settings is served, as far as the Compose files beside manage.py can tell.

    In an image there are none, and nothing is found.
    """
    folder = Path(getattr(settings, "BASE_DIR", "."))
    return [
        Warning(
            f"The queue {queue!r} is in CELERY_TASK_QUEUES, but no worker in {name} serves it: its tasks would wait for ever.",
            hint=f"Add a worker service with `--queues {queue}` to {name}, or add the queue to the --queues of another one.",
            id="background.W014",
        )
        for name in FILES
        if (folder / name).is_file()
        for queue in sorted(declared() - served(folder / name))
    ]
