"""Every entry point imports this package first. It decides which settings a process has whose environment names none.

A server takes those of production; docs/operations.md has a table. manage.py, the Procfile and compose.yaml name others.
"""

import os
import sys
from pathlib import Path

DJANGO = ("manage.py", "/django-admin", "/django/__main__.py")
UNITTEST = (" -m unittest", "/_jb_unittest_runner.py", "/unittestadapter/execution.py")  # the last two are editors'


def runs_tests() -> bool:
    """Whether this is Django's test command, or unittest. pytest takes the settings of pyproject.toml."""
    program, *arguments = sys.argv or [""]
    path = Path(program).as_posix()
    return path.endswith(UNITTEST) or (path.endswith(DJANGO) and arguments[:1] in (["test"], ["testserver"]))


DEFAULT = "config.settings.production"
if runs_tests():
    DEFAULT = "config.settings.test"
    # Nothing that a test does may reach the broker, whatever the settings, .env and the environment say.
    os.environ["CELERY_BROKER_URL"] = os.environ["CELERY_RESULT_BACKEND"] = ""
os.environ["DJANGO_SETTINGS_MODULE"] = os.environ.get("DJANGO_SETTINGS_MODULE") or DEFAULT

from config.celery import app as celery_app  # noqa: E402 - it needs the settings

__all__ = ["celery_app"]
