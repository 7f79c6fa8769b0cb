"""What the tests of the schedule do to its rows."""

from datetime import UTC, datetime
from typing import Any

from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    PeriodicTasks,
    SolarSchedule,
)

from background.schedule.drift import drift
from config import celery_app

SCHEDULES = (IntervalSchedule, CrontabSchedule, SolarSchedule, ClockedSchedule)
PAST = datetime(2020, 1, 1, tzinfo=UTC)
FUTURE = datetime(2040, 1, 1, tzinfo=UTC)


def row(key: str) -> PeriodicTask:
    return PeriodicTask.objects.get(name=key)


def change(key: str, **fields: Any) -> None:
    """Change the row as a person does, without a signal to django-celery-beat."""
    assert PeriodicTask.objects.filter(name=key).update(**fields) == 1


def hour() -> IntervalSchedule:
    return IntervalSchedule.objects.create(every=1, period="hours")


def last_change() -> Any:
    """The moment by which beat notices that the schedule has changed."""
    return PeriodicTasks.last_change()


def fields(key: str) -> set[str]:
    return {difference.field for difference in drift(celery_app).get(key, [])}
