"""The worker of a test run, as a program: ``background/testing/fixtures.py`` starts it."""

import json
import os
import signal
import sys
import threading
import time
from typing import Any, TextIO

import django
from celery import current_app
from celery.signals import worker_ready
from celery.worker import state
from django.conf import settings
from django.db import connections

from background.testing.queues import keep_apart, remove_own

PATIENCE = 30.0  # seconds that a task of the tests gets


def serve(run: str, databases: dict[str, str], mails: str) -> None:
    """Run the worker of a test run, with the tests' settings and databases. It writes mails into a folder."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the worker prints belongs to its log
    django.setup()
    for alias, name in databases.items():
        connections.settings[alias]["NAME"] = name
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = mails
    keep_apart(run)
    current_app.conf.update(
        worker_enable_remote_control=False,  # other workers on the broker would hear it
        worker_soft_shutdown_timeout=0,  # what still runs when the tests are over is not waited for
        worker_enable_soft_shutdown_on_idle=False,
    )

    def answer(**kwargs: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C ends the tests, and these end the worker
        threading.Thread(target=answer_when_idle, args=(answers,), daemon=True).start()

    worker_ready.connect(answer)
    # One process, so that tasks are done in the order in which they were enqueued.
    options = [
        "--include",
        "background.tests.tasks",
        "--concurrency",
        "1",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]
    try:
        current_app.worker_main(["worker", "--loglevel", "INFO", "--hostname", f"{run}@%h", *options])
    finally:
        remove_own(run)


def answer_when_idle(answers: TextIO) -> None:
    """Answer each line of standard input as soon as no task is left here.

    Stop the worker when its input ends, when the answer is not read, or when a task does not end.
    """
    try:
        # Not by ``sys.stdin``: a process that is forked meanwhile could not close it.
        while os.read(sys.stdin.fileno(), 1):
            end = time.monotonic() + PATIENCE
            while state.reserved_requests:
                if time.monotonic() > end:
                    return
                time.sleep(0.005)
            print(file=answers, flush=True)
    finally:
        os.kill(os.getpid(), signal.SIGQUIT)


if __name__ == "__main__":
    serve(*json.loads(sys.argv[1]))
