"""An entry that is edited, or switched on again, runs at its next moment, and not at once. It is 11:10."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core import serializers
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks

from background.beat.scheduler import NEVER, Scheduler

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 26, 11, 10, tzinfo=UTC)
DUE = NOW.replace(hour=17, minute=0)
LAST_WEEK = DUE - timedelta(days=7)
LIST = reverse("admin:django_celery_beat_periodictask_changelist")


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def row(entries: dict[str, Any]) -> PeriodicTask:
    """A daily entry at 17:00, whose last change and last run were a week ago."""
    entries.clear()
    five = CrontabSchedule.objects.create(minute="0", hour="17", timezone="UTC")
    row = PeriodicTask.objects.create(name="daily", task="a", crontab=five)
    PeriodicTask.objects.update(last_run_at=LAST_WEEK, date_changed=LAST_WEEK, total_run_count=3)
    row.refresh_from_db()
    return row


def off(row: PeriodicTask) -> None:
    PeriodicTask.objects.update(enabled=False, last_run_at=None)
    row.refresh_from_db()


def by_save(row: PeriodicTask, client: Client, tmp_path: Path) -> None:
    off(row)
    row.enabled = True
    row.save()


def by_save_of_one_field(row: PeriodicTask, client: Client, tmp_path: Path) -> None:
    off(row)
    row.enabled = True
    row.save(update_fields=["enabled"])


def by_action(row: PeriodicTask, client: Client, tmp_path: Path) -> None:
    off(row)
    client.post(LIST, {"action": "enable_tasks", "_selected_action": [row.pk]})


def by_toggling(row: PeriodicTask, client: Client, tmp_path: Path) -> None:
    off(row)
    client.post(LIST, {"action": "toggle_tasks", "_selected_action": [row.pk]})


def by_another_crontab(row: PeriodicTask, client: Client, tmp_path: Path) -> None:
    row.crontab = CrontabSchedule.objects.create(minute="0", hour="9", timezone="UTC")
    row.save()


def by_the_crontab_s_own_form(row: PeriodicTask, client: Client, tmp_path: Path) -> None:
    assert row.crontab is not None
    row.crontab.hour = "9"
    row.crontab.save()


def by_another_time_zone(row: PeriodicTask, client: Client, tmp_path: Path) -> None:
    assert row.crontab is not None
    row.crontab.timezone = "Asia/Tokyo"
    row.crontab.save()


def by_a_start_time_that_is_over(row: PeriodicTask, client: Client, tmp_path: Path) -> None:
    row.start_time = NOW - timedelta(days=30)
    row.save()


def by_an_interval(row: PeriodicTask, client: Client, tmp_path: Path) -> None:
    row.interval, row.crontab = IntervalSchedule.objects.create(every=1, period="days"), None
    row.save()


def by_a_fixture(row: PeriodicTask, client: Client, tmp_path: Path) -> None:
    fixture = tmp_path / "schedule.json"
    rows: list[Any] = [*CrontabSchedule.objects.all(), *PeriodicTask.objects.all()]
    fixture.write_text(serializers.serialize("json", rows))
    assert json.loads(fixture.read_text())
    PeriodicTask.objects.all().delete()
    call_command("loaddata", fixture, verbosity=0)


EDITS = [by_save, by_save_of_one_field, by_action, by_toggling, by_another_crontab, by_the_crontab_s_own_form, by_another_time_zone, by_a_start_time_that_is_over, by_an_interval, by_a_fixture]  # fmt: skip


def due(scheduler: Scheduler) -> set[str]:
    """What a beat would send now, after a look at the database."""
    scheduler._looked = scheduler._read = NEVER
    return {name for name, entry in scheduler.schedule.items() if entry.is_due().is_due}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("is_running", [True, False], ids=["beat runs", "beat starts later"])
def test_an_edit_does_not_make_an_entry_run(
    edit: Callable[..., None],
    is_running: bool,
    row: PeriodicTask,
    start: Callable[[], Scheduler],
    admin_client: Client,
    tmp_path: Path,
    clock: time_machine.Traveller,
) -> None:
    PeriodicTask.objects.update(last_run_at=DUE - timedelta(days=1))
    row.refresh_from_db()
    scheduler = start() if is_running else None
    if scheduler:
        assert "daily" not in due(scheduler)

    edit(row, admin_client, tmp_path)
    scheduler = scheduler or start()

    assert "daily" not in due(scheduler)
    clock.move_to(NOW + timedelta(days=1, seconds=1))
    assert "daily" in due(scheduler)


def test_beat_notices_by_itself_that_an_update_has_switched_an_entry_on(
    row: PeriodicTask, start: Callable[[], Scheduler], clock: time_machine.Traveller
) -> None:
    off(row)
    scheduler = start()
    assert due(scheduler) == set()

    clock.shift(60)
    PeriodicTask.objects.filter(name="daily").update(enabled=True)
    PeriodicTasks.update_changed()

    assert "daily" not in due(scheduler)
    clock.move_to(DUE)
    assert "daily" in due(scheduler)


def test_an_edit_of_the_description_does_not_put_a_run_off(row: PeriodicTask, start: Callable[[], Scheduler]) -> None:
    """It was due while no beat ran, and still is."""
    row.description = "A person's."
    row.save()

    assert "daily" in due(start())


@pytest.mark.parametrize(("is_interval", "first"), [(True, NOW + timedelta(hours=1)), (False, DUE)])
def test_an_interval_runs_at_its_start_and_a_time_of_day_when_it_next_comes(
    is_interval: bool,
    first: datetime,
    row: PeriodicTask,
    start: Callable[[], Scheduler],
    clock: time_machine.Traveller,
) -> None:
    if is_interval:
        row.interval, row.crontab = IntervalSchedule.objects.create(every=1, period="days"), None
    row.start_time = NOW + timedelta(hours=1)
    row.save()
    scheduler = start()

    for moment in (NOW, first - timedelta(seconds=1)):
        clock.move_to(moment)
        assert "daily" not in due(scheduler)
    clock.move_to(first)
    assert "daily" in due(scheduler)
