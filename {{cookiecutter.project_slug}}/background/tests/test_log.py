"""A worker and beat log to the handlers that ``LOGGING`` gives the root."""

import os
import subprocess
import sys
from pathlib import Path

# Celery sets up a process's log once, so each of these is a process.
PROGRAM = """
import logging.config, sys, django
from celery.utils.log import get_task_logger
from config import celery_app
own, root, celery = sys.argv[1:]
django.setup()
if root:
    handler = {"class": "logging.FileHandler", "filename": own}
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "handlers": {"file": handler}, "root": {"handlers": ["file"]}})
celery_app.log.setup("INFO", celery or None, redirect_stdouts=True)
get_task_logger("tasks").info("from a task")
logging.getLogger("celery.app.trace").error("a failure")
print("printed")
"""


def log(folder: Path, *, root: bool, logfile: bool) -> tuple[list[str], list[str], list[str]]:
    """The last words of the lines in the file of the root's handler, in that of ``--logfile``, and on standard error."""
    own, celery = folder / "own", folder / "celery"
    arguments = [str(own), "root" * root, str(celery) * logfile]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "CELERY_BROKER_URL": "", "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        check=True,
    )
    texts = [file.read_text() if file.exists() else "" for file in (own, celery)]
    own_words, celery_words, error_words = (
        [line.rpartition("] ")[2].rpartition(": ")[2] for line in text.splitlines()] for text in [*texts, done.stderr]
    )
    return own_words, celery_words, error_words


ALL = ["from a task", "a failure", "printed"]


def test_the_root_s_handler_gets_everything_once(tmp_path: Path) -> None:
    assert log(tmp_path, root=True, logfile=False) == (ALL, [], [])


def test_a_logfile_that_is_asked_for_is_written_beside_it(tmp_path: Path) -> None:
    assert log(tmp_path, root=True, logfile=True) == (ALL, ALL, [])


def test_without_such_a_handler_the_log_is_celery_s_own(tmp_path: Path) -> None:
    assert log(tmp_path, root=False, logfile=False) == ([], [], ALL)
