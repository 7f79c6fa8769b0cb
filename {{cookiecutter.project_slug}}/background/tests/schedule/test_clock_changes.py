"""Each kind of entry runs when it should, over days in which the clocks of Berlin are changed."""

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from celery.schedules import solar
from django_celery_beat.clockedschedule import clocked
from django_celery_beat.models import PeriodicTask
from django_celery_beat.tzcrontab import TzAwareCrontab

from background.beat import scheduler as scheduler_module
from background.beat.lease import Claim
from background.beat.scheduler import Scheduler

pytestmark = pytest.mark.django_db

Entries = dict[str, dict[str, Any]]
Runs = dict[str, list[str]]
BERLIN = ZoneInfo("Europe/Berlin")
SPRING = datetime(2026, 3, 28, 12, tzinfo=BERLIN)  # in the night to the 29th it is never half past two
AUTUMN = datetime(2026, 10, 24, 12, tzinfo=BERLIN)  # in the night to the 25th it is half past two twice


@pytest.fixture
def runs(entries: Entries, start: Callable[[], Scheduler], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Runs]:
    """When some entries are sent in so many hours from a moment on, as days and times of Berlin."""
    monkeypatch.setattr(scheduler_module, "clock", time.time)  # the one that these tests set
    monkeypatch.setattr(Claim, "clock_error", lambda claim: 0.0)  # the database's is not moved

    def send(begin: datetime, hours: int = 48, look: float = 1800.0, **given: dict[str, Any]) -> Runs:
        monkeypatch.setattr(scheduler_module, "LOOK", look)  # seconds: what is read then costs the most here
        PeriodicTask.objects.all().delete()
        entries.clear()
        entries.update({name: {"task": "a", **entry} for name, entry in given.items()})
        sent: Runs = defaultdict(list)
        end = begin.astimezone(UTC) + timedelta(hours=hours)
        with time_machine.travel(begin, tick=False) as clock:  # the machine is in Berlin too
            scheduler = start()
            scheduler.look_every, scheduler.max_interval = 0, scheduler_module.LOOK
            scheduler.apply_async = lambda entry, **options: sent[entry.name].append(f"{datetime.now(BERLIN):%d %H:%M}")
            while datetime.now(UTC) < end:
                clock.shift(scheduler.tick())
            scheduler.close()
        return {name: sent[name] for name in given}

    return send


def daily(hour: int, minute: int) -> dict[str, Any]:
    """An entry at a time of day in Berlin, whatever the project's time zone."""
    return {"schedule": TzAwareCrontab(hour=str(hour), minute=str(minute), tz=BERLIN)}


def test_a_time_of_day_comes_once_a_day(runs: Callable[..., Runs]) -> None:
    """A run that is skipped in spring comes when it would have come without the change."""
    at = {"early": daily(2, 30), "morning": daily(7, 0)}

    spring, autumn = runs(SPRING, **at), runs(AUTUMN, **at)

    assert spring == {"early": ["29 03:30", "30 02:30"], "morning": ["29 07:00", "30 07:00"]}
    assert autumn == {"early": ["25 02:30", "26 02:30"], "morning": ["25 07:00", "26 07:00"]}


@pytest.mark.parametrize("begin", [SPRING, AUTUMN])
def test_a_length_of_time_goes_on_whatever_the_clocks_say(runs: Callable[..., Runs], begin: datetime) -> None:
    sent = runs(begin, hourly={"schedule": timedelta(hours=1)}, daily={"schedule": timedelta(days=1)})

    assert {name: len(times) for name, times in sent.items()} == {"hourly": 47, "daily": 1}


def test_an_event_of_the_sun_comes_when_the_sun_does(runs: Callable[..., Runs]) -> None:
    sunset = {"schedule": solar("sunset", 52.5, 13.4)}

    assert runs(SPRING, sunset=sunset) == {"sunset": ["28 18:33", "29 19:35"]}
    assert runs(AUTUMN, sunset=sunset) == {"sunset": ["24 17:52", "25 16:50"]}


@pytest.mark.parametrize("hour", [0, 1])
def test_a_moment_comes_once_also_in_the_hour_that_comes_twice(runs: Callable[..., Runs], hour: int) -> None:
    moment = datetime(2026, 10, 25, hour, 30, tzinfo=UTC)  # half past two in Berlin, both

    # django-celery-beat reads the entry only 300 seconds before its moment.
    entry = {"schedule": clocked(moment), "one_off": True}
    sent = runs(AUTUMN + timedelta(hours=10), hours=8, look=240.0, moment=entry)

    assert sent == {"moment": ["25 02:30"]}
    assert not PeriodicTask.objects.get(name="moment").enabled


def test_start_and_end_are_kept_to(runs: Callable[..., Runs]) -> None:
    hourly = {
        "schedule": timedelta(hours=1),
        "start_time": datetime(2026, 10, 25, 0, 15, tzinfo=BERLIN),
        "expires": datetime(2026, 10, 25, 3, 45, tzinfo=BERLIN),
    }

    sent = runs(AUTUMN, hours=20, hourly=hourly)

    assert sent == {"hourly": ["25 00:15", "25 01:15", "25 02:15", "25 02:15", "25 03:15"]}
    assert not PeriodicTask.objects.get(name="hourly").enabled


def test_a_length_of_time_that_is_to_come_once_comes_once(runs: Callable[..., Runs]) -> None:
    sent = runs(SPRING, hours=12, once={"schedule": timedelta(hours=3), "one_off": True})

    assert sent == {"once": ["28 15:00"]}
