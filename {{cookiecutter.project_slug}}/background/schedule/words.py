"""When the entries of the schedule run: in words, and as a moment."""

from datetime import datetime, timedelta
from typing import Any

from celery import Celery
from celery.schedules import ParseException
from django.db import models
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from background.schedule.kinds import kind_of
from background.schedule.last_run import counted_from


def words(schedule: models.Model | None) -> str:
    """A schedule for people, such as "every 10 minutes". A crontab has its time zone in it."""
    kind = kind_of(schedule)
    return kind.words(schedule) if kind else "never"


def readable(row: PeriodicTask) -> Any:
    """The row's Celery schedule, or None if what is stored can't be read as one. beat leaves such a row out."""
    try:
        return row.schedule if row.scheduler else None
    except (ValueError, ParseException):
        return None


def next_run(app: Celery, row: PeriodicTask, schedule: Any) -> datetime | None:
    """When beat sends the row's task next. Now if it is overdue, None if it is off or has ended.

    ``schedule`` is the row's Celery schedule, which rows may share. The rules are those of ``ModelEntry`` of
    django-celery-beat 2.9, which asks the schedule in the same way.
    """
    now = timezone.now()
    if not row.enabled or (row.expires and row.expires <= now) or (row.one_off and row.total_run_count):
        return None
    schedule.nowfun = lambda: now
    due, seconds = schedule.is_due(counted_from(row).astimezone(app.timezone))
    start = row.due_start_time(app.timezone) if row.start_time and row.start_time > now else now
    return max(start, now if due else now + timedelta(seconds=seconds))


def in_short(moment: datetime | None) -> str:
    """A moment in the project's time zone. The admin's own words for it take too much of a table's width."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}" if moment else "-"
