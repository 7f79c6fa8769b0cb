"""Makes the entries of the benchmark, in a project: ``python fill.py COUNT``.

A fifth of them come every 56 seconds, so that of 50,000 there are 178 due each second. The others are not due while it
runs: a crontab of another month, one of sixty, and an interval of a day.
"""

import sys
from datetime import UTC, datetime

import django

django.setup()

from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask  # noqa: E402

if __name__ == "__main__":
    count = int(sys.argv[1])
    PeriodicTask.objects.all().delete()
    often = IntervalSchedule.objects.get_or_create(every=56, period="seconds")[0]
    daily = IntervalSchedule.objects.get_or_create(every=1, period="days")[0]
    month = str((datetime.now(UTC).month + 5) % 12 + 1)
    crontabs = [
        CrontabSchedule.objects.get_or_create(minute=str(minute), month_of_year=month, timezone="UTC")[0]
        for minute in range(60)
    ]

    def entry(number: int) -> PeriodicTask:
        kind = number % 5
        schedule = {"interval": often if kind == 0 else daily} if kind < 3 else {"crontab": crontabs[number % 60]}
        return PeriodicTask(name=f"entry {number}", task="probe", args=f"[{number}]", **schedule)

    PeriodicTask.objects.bulk_create(map(entry, range(count)), batch_size=1000)
