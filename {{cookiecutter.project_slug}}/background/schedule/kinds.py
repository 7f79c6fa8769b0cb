"""The four kinds of schedule that the database knows, and everything in which they differ.

A kind has two sides: the class of Celery that the settings use, and the model whose row stores it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar

from celery import schedules
from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.utils import format_number
from django.utils import timezone
from django_celery_beat.clockedschedule import clocked
from django_celery_beat.models import (
    SOLAR_SCHEDULES,
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    SolarSchedule,
    cronexp,
)
from django_celery_beat.tzcrontab import TzAwareCrontab

LONGEST = 2**31 - 1  # seconds, 68 years: PostgreSQL's integer
UNITS = {"day": timedelta(days=1), "hour": timedelta(hours=1), "minute": timedelta(minutes=1)}


class Kind:
    """A kind of schedule. Its subclasses are the kinds. They are not instantiated."""

    field: ClassVar[str]  # of PeriodicTask: the foreign key to the row
    model: ClassVar[type[models.Model]]
    classes: ClassVar[tuple[type, ...]]  # of Celery, the most specific one first

    @classmethod
    def faults(cls, schedule: Any) -> Iterator[str]:
        """Why a row can't hold this schedule of the settings as it is."""
        plain = next(plain for plain in cls.classes if isinstance(schedule, plain))
        if type(schedule) is not plain:
            yield f"its schedule is stored as a plain {plain.__name__}, without what {type(schedule).__name__} adds"
        if getattr(schedule, "relative", False):
            yield "its schedule's 'relative' is dropped; a crontab runs at full hours and minutes"
        if schedule.nowfun and plain is not TzAwareCrontab:
            yield "its schedule's 'nowfun' is dropped; TzAwareCrontab of django_celery_beat keeps a time zone"

    @classmethod
    def as_row(cls, schedule: Any) -> Any:
        """A schedule of the settings as an unsaved row. The library's own way would save it."""
        raise NotImplementedError

    @classmethod
    def words(cls, row: Any) -> str:
        """A row in words, for people."""
        raise NotImplementedError

    @classmethod
    def text(cls, row: Any) -> str:
        """A row as a text that is the same for all schedules that are the same."""
        return cls.words(row)


class Interval(Kind):
    """A length of time, stored as a whole number of a unit."""

    field = "interval"
    model = IntervalSchedule
    classes = (schedules.schedule,)

    @classmethod
    def faults(cls, schedule: Any) -> Iterator[str]:
        yield from super().faults(schedule)
        yield from cls.faults_of_length(schedule.run_every.total_seconds())

    @classmethod
    def faults_of_length(cls, seconds: float) -> Iterator[str]:
        if not seconds >= 1:
            yield f"an interval of {seconds} s is stored as every 0 seconds, so beat would send it as fast as it can"
        elif seconds > LONGEST:
            yield f"an interval of {seconds} s is longer than the {LONGEST} s that the database can hold"
        elif seconds % 1:
            yield f"an interval of {seconds} s loses its fraction"

    @classmethod
    def as_row(cls, schedule: Any) -> IntervalSchedule:
        return IntervalSchedule(every=int(schedule.run_every.total_seconds()), period=IntervalSchedule.SECONDS)

    @classmethod
    def words(cls, row: Any) -> str:
        """In the largest unit of which the interval has a whole number: 600 seconds are "every 10 minutes"."""
        length = timedelta(**{row.period: row.every})
        for unit, one in UNITS.items():
            if length and not length % one:
                return f"every {length // one} {unit}s" if length > one else f"every {unit}"
        seconds = length.total_seconds()
        return "every second" if seconds == 1 else f"every {seconds:.15g} seconds"


class Crontab(Kind):
    """A time of day, of the week or of the month, in a time zone of its own."""

    field = "crontab"
    model = CrontabSchedule
    classes = (TzAwareCrontab, schedules.crontab)
    parts = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")  # in the order of cron

    @classmethod
    def faults(cls, schedule: Any) -> Iterator[str]:
        yield from super().faults(schedule)
        for name in cls.parts:
            value = getattr(schedule, f"_orig_{name}")
            longest = CrontabSchedule._meta.get_field(name).max_length
            if not isinstance(value, int | str):
                yield f"{name} is {value!r}, which is stored as text that beat can't read; write '0,30' for [0, 30]"
            elif len(str(value)) > longest:
                yield f"{name} is {value!r}, longer than the {longest} characters that the database can hold"
        try:
            CrontabSchedule._meta.get_field("timezone").clean(schedule.tz, None)
        except ValidationError:
            yield f"its time zone, {schedule.tz}, can't be stored by name; use a ZoneInfo"

    @classmethod
    def as_row(cls, schedule: Any) -> CrontabSchedule:
        parts = {name: str(getattr(schedule, f"_orig_{name}")) for name in cls.parts}
        return CrontabSchedule(timezone=schedule.tz, **parts)

    @classmethod
    def words(cls, row: Any) -> str:
        return str(row.human_readable)

    @classmethod
    def text(cls, row: Any) -> str:
        """The five fields, each without spaces, and the time zone."""
        return f"crontab {' '.join(cronexp(getattr(row, name)) for name in cls.parts)} {row.timezone}"


class Solar(Kind):
    """An event of the sun at a place, in degrees."""

    field = "solar"
    model = SolarSchedule
    classes = (schedules.solar,)

    @classmethod
    def faults(cls, schedule: Any) -> Iterator[str]:
        yield from super().faults(schedule)
        if schedule.event not in dict(SOLAR_SCHEDULES):
            yield f"the database does not know the solar event {schedule.event!r}"

    @classmethod
    def as_row(cls, schedule: Any) -> SolarSchedule:
        return SolarSchedule(event=schedule.event, latitude=schedule.lat, longitude=schedule.lon)

    @classmethod
    def words(cls, row: Any) -> str:
        return f"{row.event.replace('_', ' ')} at {float(row.latitude)}, {float(row.longitude)}"

    @classmethod
    def text(cls, row: Any) -> str:
        """Latitude and longitude with the six decimals that are stored."""
        fields = [SolarSchedule._meta.get_field(name) for name in ("latitude", "longitude")]
        numbers = (format_number(field.to_python(getattr(row, field.name)), 9, 6) for field in fields)
        return f"{row.event} at {', '.join(map(str, numbers))}"


class Clocked(Kind):
    """A moment. The entry runs once."""

    field = "clocked"
    model = ClockedSchedule
    classes = (clocked,)

    @classmethod
    def as_row(cls, schedule: Any) -> ClockedSchedule:
        return ClockedSchedule(clocked_time=schedule.clocked_time)

    @classmethod
    def words(cls, row: Any) -> str:
        return f"once at {moment(row.clocked_time)[:19]}"

    @classmethod
    def text(cls, row: Any) -> str:
        return moment(row.clocked_time)


KINDS: tuple[type[Kind], ...] = (Interval, Crontab, Solar, Clocked)
FIELDS = tuple(kind.field for kind in KINDS)


def kind_of(schedule: Any) -> type[Kind] | None:
    """The kind of a schedule of Celery or of a row; None if the database has no table for it."""
    return next((kind for kind in KINDS if isinstance(schedule, (*kind.classes, kind.model))), None)


def moment(value: datetime | None) -> str:
    """A moment in the project's time zone."""
    return timezone.localtime(value).isoformat(" ") if value else "nothing"
