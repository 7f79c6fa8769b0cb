"""The entries of the settings' schedule."""

import pytest
from django.conf import settings
from django.core.management import call_command
from django_celery_beat.models import PeriodicTask

from config import celery_app

KINDS = ("crontab", "interval", "solar", "clocked")


def test_every_task_in_the_schedule_is_registered() -> None:
    celery_app.loader.import_default_modules()

    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(celery_app.tasks)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", KINDS)
def test_the_schedule_has_an_example_of_each_kind(kind: str) -> None:
    call_command("schedule", "seed")

    assert PeriodicTask.objects.filter(**{f"{kind}__isnull": False}).count() == 1


@pytest.mark.django_db
def test_the_moment_comes_once() -> None:
    call_command("schedule", "seed")

    assert PeriodicTask.objects.get(clocked__isnull=False).one_off
