"""The schedule on the command line."""

from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from background.schedule import seed


class Command(BaseCommand):
    help = "List the schedule's entries. With `seed`, first write those of CELERY_BEAT_SCHEDULE that are not there."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", nargs="?", choices=["list", "seed"], default="list")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        if action == "seed":
            for key in seed(current_app):
                self.stdout.write(f"Seeded {key}.")
        for entry in PeriodicTask.objects.order_by("name"):
            state = "on" if entry.enabled else "off"
            last_run = f"{timezone.localtime(entry.last_run_at):%Y-%m-%d %H:%M:%S}" if entry.last_run_at else "never"
            self.stdout.write(f"{entry.name:<30} {state:<4} last run {last_run:<20} {entry.scheduler}")
