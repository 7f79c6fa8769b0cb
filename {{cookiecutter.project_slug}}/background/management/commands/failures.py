"""``manage.py failures``: the tasks that gave up, and how to run them again."""

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import localtime

from background.failures.again import run_again
from background.failures.models import FailedTask

SHOWN = 50  # rows of the list


class Command(BaseCommand):
    """List the failures, show one, or run some again."""

    help = "Lists the tasks that gave up, the newest first. Without a command it lists."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", metavar="{list,show,run-again}")
        shown = commands.add_parser("list", help="list the newest failures")
        shown.add_argument("--task", help="only of this task")
        one = commands.add_parser("show", help="print a failure with its traceback")
        one.add_argument("beginning", metavar="id", help="the task's id, or its beginning")
        again = commands.add_parser("run-again", help="run failed tasks again")
        again.add_argument("ids", nargs="*", metavar="id", help="ids of tasks, or their beginnings")
        again.add_argument("--task", help="all failures of this task")
        again.add_argument("--all", dest="every", action="store_true", help="all failures")

    def handle(self, *args: Any, command: str | None, **options: Any) -> None:
        if command == "show":
            self.show(**options)
        elif command == "run-again":
            self.run_again(**options)
        else:
            self.show_newest(**options)

    def show_newest(self, *, task: str | None = None, **options: Any) -> None:
        rows = FailedTask.objects.order_by("-failed_at")
        if task:
            rows = rows.filter(task=task)
        for row in rows[:SHOWN]:
            again = f"  run again as {row.run_again_as}" if row.run_again_as else ""
            self.stdout.write(
                f"{localtime(row.failed_at):%Y-%m-%d %H:%M:%S}  {row.task_id}  {row.task}  {row.exception}: {row.reason}{again}"
            )
        if (more := rows.count() - SHOWN) > 0:
            self.stdout.write(f"... and {more} older ones")

    def show(self, *, beginning: str, **options: Any) -> None:
        row = self.one(beginning)
        for field in row._meta.fields:
            if field.name not in ("id", "traceback"):
                self.stdout.write(f"{field.verbose_name}: {getattr(row, field.name)}")
        self.stdout.write(row.traceback)

    def run_again(self, *, ids: list[str], task: str | None, every: bool, **options: Any) -> None:
        """Run each again that was not yet. One that can't be does not stop the others."""
        refused = 0
        for row in self.chosen(ids, task, every):
            try:
                self.stdout.write(f"{row}: run again as {run_again(row)}")
            except Exception as error:
                refused += 1
                self.stderr.write(f"{row}: {type(error).__name__}: {error}")
        if refused:
            raise CommandError(f"{refused} could not be run again, or failed again.")

    def chosen(self, ids: list[str], task: str | None, every: bool) -> Iterable[FailedTask]:
        if sum(map(bool, (ids, task, every))) != 1:
            raise CommandError("Name ids, or --task NAME, or --all.")
        if ids:
            return [self.one(each) for each in ids]
        rows = FailedTask.objects.filter(run_again_as="").order_by("failed_at")
        return rows.filter(task=task) if task else rows

    def one(self, beginning: str) -> FailedTask:
        rows = FailedTask.objects.filter(task_id__startswith=beginning)[:2]
        if len(rows) != 1:
            raise CommandError(
                f"{'No failure' if not rows else 'More than one failure'} has an id that begins with {beginning}."
            )
        return rows[0]
