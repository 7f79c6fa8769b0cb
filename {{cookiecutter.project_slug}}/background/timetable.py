"""When the entries of the schedule run: in words, and as a moment."""

from datetime import datetime, timedelta
from typing import Any

from celery import Celery
from celery.schedules import ParseException
from django.db import models
from django.db.backends.utils import format_number
from django.utils import timezone
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
    cronexp,
)

UNITS = {"day": timedelta(days=1), "hour": timedelta(hours=1), "minute": timedelta(minutes=1)}
LONG_AGO = timedelta(days=365 * 30)  # ModelEntry: how long ago an entry with a start time ran that has never run


def words(schedule: models.Model | None) -> str:
    """A schedule for people, such as "every 10 minutes"; a crontab with its time zone."""
    if isinstance(schedule, CrontabSchedule):
        return str(schedule.human_readable)
    if isinstance(schedule, SolarSchedule):
        return f"{schedule.event.replace('_', ' ')} at {float(schedule.latitude)}, {float(schedule.longitude)}"
    if isinstance(schedule, ClockedSchedule):
        return f"once at {moment(schedule.clocked_time)[:19]}"
    return every(schedule) if isinstance(schedule, IntervalSchedule) else "never"


def every(interval: IntervalSchedule) -> str:
    """An interval in the largest unit of which it has a whole number."""
    length = timedelta(**{interval.period: interval.every})
    for unit, one in UNITS.items():
        if length and not length % one:
            return f"every {length // one} {unit}s" if length > one else f"every {unit}"
    seconds = length.total_seconds()
    return "every second" if seconds == 1 else f"every {seconds:.15g} seconds"


def cron(crontab: CrontabSchedule) -> str:
    """The five fields in the order of cron, without spaces inside them."""
    names = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    return " ".join(cronexp(getattr(crontab, name)) for name in names)


def place(solar: SolarSchedule) -> str:
    """Latitude and longitude in degrees, as they are stored."""
    fields = [SolarSchedule._meta.get_field(name) for name in ("latitude", "longitude")]
    numbers = (format_number(field.to_python(getattr(solar, field.name)), 9, 6) for field in fields)
    return ", ".join(str(number) for number in numbers)


def moment(value: datetime | None) -> str:
    """A moment in the project's time zone."""
    return timezone.localtime(value).isoformat(" ") if value else "nothing"


def readable(row: PeriodicTask) -> Any:
    """The row's Celery schedule, or None where what is stored can't be read as one: beat then leaves the row out."""
    try:
        return row.schedule if row.scheduler else None
    except (ValueError, ParseException):
        return None


def next_run(app: Celery, row: PeriodicTask, schedule: Any) -> datetime | None:
    """When beat sends the row's task next; now, if it is overdue; None if it is off or over.

    ``schedule`` is the row's Celery schedule, which rows may share. The rules are those of ``ModelEntry`` of
    django-celery-beat 2.9, which asks the schedule in the same way.
    """
    now = timezone.now()
    if not row.enabled or (row.expires and row.expires <= now) or (row.one_off and row.total_run_count):
        return None
    schedule.nowfun = lambda: now
    last = row.last_run_at or row.date_changed - (LONG_AGO if row.start_time else timedelta())
    due, seconds = schedule.is_due(last.astimezone(app.timezone))
    start = row.due_start_time(app.timezone) if row.start_time and row.start_time > now else now
    return max(start, now if due else now + timedelta(seconds=seconds))
