"""Run the example task from the command line."""

import time
from typing import Any

from celery.result import AsyncResult
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from base.tasks import PROGRESS, build_report

POLL_SECONDS = 0.2


class Command(BaseCommand):
    help = "Enqueue the example report, show its progress and print its result."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--months", type=int, default=3, help="how many months to report on (default 3)")

    def handle(self, *args: Any, months: int, **options: Any) -> None:
        if settings.CELERY_TASK_ALWAYS_EAGER:
            self.stdout.write("Eager: no broker is set, so the task runs here and now.")
        result = build_report.delay(months=months)
        self.stdout.write(f"Task {result.id} was enqueued.")
        if not result.ready():
            self.stdout.write("Waiting for a worker; Ctrl+C ends the waiting, not the task.")
        self.follow(result)
        report = result.get()
        for row in report["months"]:
            self.stdout.write(f"{row['month']}  {row['users']:>6} new users")
        self.stdout.write(f"Result: {report['total']} new users in {months} months ({result.state}).")

    def follow(self, result: AsyncResult[Any]) -> None:
        """Print each change of the progress until the task has ended. Without a worker this waits until there is one."""
        shown = None
        while not result.ready():
            info = result.info
            if result.state == PROGRESS and info != shown:
                self.stdout.write(f"{info['done']} of {info['total']} months")
                shown = info
            time.sleep(POLL_SECONDS)
