"""The database is restarted, and fails over behind a pooler. Web, worker, beat and relay go on, and nothing that was committed is lost."""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from tests.baking import Project
from tests.running.failover.databases import Databases
from tests.running.processes import Processes, add_tasks
from tests.running.site import Site
from tests.servers import redis_server, wait_until

Installed = Callable[..., Project]
FAILOVERS = int(os.environ.get("FAILOVERS", "1"))
TASKS = """

@shared_task(autoretry_for=(OperationalError, InterfaceError), max_retries=20, default_retry_delay=1)
def mark(name: str) -> None:
    from django.contrib.sessions.models import Session

    Session.objects.get_or_create(session_key=f"done-{name}", defaults={"expire_date": timezone.now(), "session_data": ""})
"""
# Writes a row and enqueues a task in one transaction, again and again, and prints what was committed.
SEND = """
import sys, time
import django; django.setup()
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from base.tasks import mark
for number in range(10**6):
    begin = time.monotonic()
    while True:
        try:
            with transaction.atomic():
                mark.delay_in_transaction(str(number))
        except DatabaseError as error:
            print("refused", flush=True)
            connection.close()
            time.sleep(0.2)
        else:
            print("sent", number, f"{time.time():.3f}", flush=True)
            break
    time.sleep(0.05)
"""
DONE = """
from django.contrib.sessions.models import Session
print(*(key.removeprefix("done-") for key in Session.objects.values_list("session_key", flat=True)))
"""
ENTRY = """
from django_celery_beat.models import IntervalSchedule, PeriodicTask
second, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
PeriodicTask.objects.create(name="each second", task="base.tasks.mark", interval=second, args='["entry"]')
"""


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[Databases]:
    own = Databases(tmp_path)
    try:
        own.start()
        yield own
    finally:
        own.stop()


@pytest.mark.parametrize("fault", ["restarted", "failed_over"])
def test_the_database_is_lost_again_and_again(
    installed: Installed,
    tmp_path: Path,
    databases: Databases,
    fault: str,
    record_property: Callable[[str, object], None],
) -> None:
    project = installed(tmp_path / "project", broker="redis", database="postgresql")
    add_tasks(project, TASKS)
    own = Processes(project, tmp_path)
    own.environment["DATABASE_URL"] = f"postgresql://postgres@127.0.0.1:{databases.port}/postgres"
    own.environment["CELERY_RESULT_BACKEND"] = ""
    project.run(project.interpreter, "manage.py", "migrate", "--verbosity", "0", check=True, **own.environment)
    own.python(ENTRY)
    with (
        redis_server(tmp_path, own.broker, "redis-server"),
        own.server() as web,
        own.worker() as worker,
        own.beat() as beat,
        own.process("sender", "-c", SEND) as sender,
    ):
        # To start, beat needs the database.
        wait_until(lambda: "Sending due task each second" in beat.output(), "the schedule")
        for _ in range(FAILOVERS):
            sent = sender.output().count("sent")
            wait_until(lambda: sender.output().count("sent") > sent + 20, "rows", 60)  # noqa: B023 - it is called here
            getattr(databases, fault)()
            entries = beat.output().count("Sending due task each second")
            sent = sender.output().count("sent")
            wait_until(lambda: sender.output().count("sent") > sent + 20, "rows after the fault", 60)  # noqa: B023
            wait_until(lambda: answers(own.web), "the site", 60)
            wait_until(lambda: beat.output().count("Sending due task each second") > entries + 2, "the schedule", 60)  # noqa: B023
        sender.stop()
        committed = set(re.findall(r"^sent (\d+)", sender.output(), re.MULTILINE))
        end = time.monotonic() + 60
        while (lost := committed - set(own.python(DONE).split())) and time.monotonic() < end:
            time.sleep(1)
        assert [process.popen.poll() for process in (web, worker, beat)] == [None] * 3

    moments = [float(moment) for moment in re.findall(r"^sent \d+ ([\d.]+)", sender.output(), re.MULTILINE)]
    pause = max(later - earlier for earlier, later in pairwise(moments))
    counts = (FAILOVERS, len(committed), 0, len(lost), sender.output().count("refused"))
    figures = " ".join([*(f"{count:9}" for count in counts), f"{'':9}", f"{pause:9.1f}", f"{'':9}"])
    record_property("failovers", f"{f'PostgreSQL is {fault}':66} {figures}")
    assert lost == set()


def answers(port: int) -> bool:
    with suppress(OSError):
        return bool(Site(port).get("health/web/"))
    return False
