"""The settings seed the schedule; the database keeps it."""

from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from config import celery_app

pytestmark = pytest.mark.django_db


def schedule(*args: str) -> str:
    out = StringIO()
    call_command("schedule", *args, stdout=out)
    return out.getvalue()


def test_seed_writes_every_entry_of_the_settings() -> None:
    out = schedule("seed")

    assert set(PeriodicTask.objects.values_list("name", flat=True)) == set(settings.CELERY_BEAT_SCHEDULE)
    assert out.count("Seeded") == len(settings.CELERY_BEAT_SCHEDULE)


def test_seed_writes_nothing_the_second_time() -> None:
    schedule("seed")
    before = list(PeriodicTask.objects.order_by("pk").values())

    assert "Seeded" not in schedule("seed")
    assert list(PeriodicTask.objects.order_by("pk").values()) == before


def test_seed_leaves_what_an_administrator_changed() -> None:
    schedule("seed")
    PeriodicTask.objects.filter(name="report-at-sunset").update(enabled=False, kwargs='{"months": 6}')

    schedule("seed")

    entry = PeriodicTask.objects.get(name="report-at-sunset")
    assert (entry.enabled, entry.kwargs) == (False, '{"months": 6}')


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("delete-expired-sessions", "crontab"),
        ("send-missing-welcome-mails", "interval"),
        ("report-at-sunset", "solar"),
        ("report-of-the-decade", "clocked"),
    ],
)
def test_each_kind_of_schedule_is_stored_as_its_own(key: str, kind: str) -> None:
    schedule("seed")

    entry = PeriodicTask.objects.get(name=key)
    kinds = ["crontab", "interval", "solar", "clocked"]
    assert [name for name in kinds if getattr(entry, name) is not None] == [kind]


def test_a_moment_is_stored_as_an_entry_that_runs_once() -> None:
    schedule("seed")

    assert PeriodicTask.objects.get(name="report-of-the-decade").one_off


def test_every_task_in_the_schedule_is_registered() -> None:
    celery_app.loader.import_default_modules()

    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(celery_app.tasks)


def test_the_list_shows_each_entry_with_its_state_and_its_last_run() -> None:
    schedule("seed")
    PeriodicTask.objects.filter(name="report-at-sunset").update(last_run_at=timezone.now(), enabled=False)

    lines = {line.split()[0]: line for line in schedule().splitlines()}
    assert lines.keys() == set(settings.CELERY_BEAT_SCHEDULE)
    assert " off " in lines["report-at-sunset"]
    assert f"{timezone.localdate():%Y-%m-%d}" in lines["report-at-sunset"]
    assert "never" in lines["delete-expired-sessions"]
