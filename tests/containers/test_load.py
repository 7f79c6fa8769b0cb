"""A new version, and the death of each part, while requests and tasks come in at a steady pace."""

import contextlib
import itertools
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.containers.load import DONE, SENT, Requests, requests, tasks
from tests.containers.stack import PRODUCTION, Stack, stack
from tests.servers import wait_until

MIGRATION = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("base", "0001_initial")]
    operations = [migrations.RunSQL("SELECT 1")]
"""
APPLIED = "from django.db.migrations.recorder import MigrationRecorder as R; print(R.Migration.objects.filter(name='0002_new').count())"
OFTEN = """
from django_celery_beat.models import IntervalSchedule, PeriodicTask
PeriodicTask.objects.create(
    name="often",
    task="base.tasks.delete_expired_sessions",
    interval=IntervalSchedule.objects.create(every=OFTEN, period="seconds"),
)
"""
OFTEN_SECONDS = 2
TAKEN_OVER_SECONDS = 15  # docs/beats.md: a leader that is killed is replaced within so many
LEADER = "from background.beat.lease import SCHEDULE, tenure; print(tenure(SCHEDULE).holder)"


@pytest.fixture(params=[pytest.param("redis", id="redis"), pytest.param("rabbitmq", id="rabbitmq")])
def deployed(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A project in production, on PostgreSQL, that sends no mail."""
    with stack(tmp_path / "project", PRODUCTION, broker=request.param, database="postgresql") as own:
        shorten(own.project.path / "config/settings/celery.py")
        own.set(EMAIL_URL="dummy:")
        own.project.make("deploy")
        yield own


def shorten(settings: Path) -> None:
    """Let Redis give a killed worker's tasks to another after 40 seconds and not 15 minutes, which a test can't wait."""
    text = settings.read_text()
    for name, value in {
        "VISIBILITY_TIMEOUT": 40,
        "CELERY_TASK_SOFT_TIME_LIMIT": 30,
        "CELERY_TASK_TIME_LIMIT": 35,
    }.items():
        text, found = re.subn(rf"^{name} = \d+$", f"{name} = {value}", text, flags=re.MULTILINE)
        assert found == 1, name
    settings.write_text(text)


def wait_until_all_are_done(own: Stack, load: Requests, seconds: float) -> tuple[int, int]:
    """Wait for every mail and report; return how many of both were sent, and how many of both are lost."""

    def left() -> int:
        mails = int(own.python(SENT)) - int(own.python(DONE))
        return mails + sum(not load.site.status(report)["ready"] for report in load.reports)

    with contextlib.suppress(AssertionError):
        wait_until(lambda: left() == 0, "all tasks", seconds)
    return int(own.python(SENT)) + len(load.reports), left()


def test_a_new_version_loses_no_task_and_answers_every_request(deployed: Stack, figure: Callable[[str], None]) -> None:
    page = deployed.project.path / "base/templates/base/report_form.html"
    with requests(deployed) as load, tasks(deployed) as sender:
        time.sleep(10)
        page.write_text(page.read_text().replace("New report", "New report of a new version"))
        (deployed.project.path / "base/migrations/0002_new.py").write_text(MIGRATION.lstrip())
        start = time.monotonic()
        deployed.project.make("deploy")
        took = time.monotonic() - start
        time.sleep(10)
    sent, lost = wait_until_all_are_done(deployed, load, 120)
    figure(
        f"deployment on {deployed.broker}: {took:.0f} s, {load.answered} requests answered, {len(load.failed)} failed, "
        f"the slowest after {load.slowest:.1f} s; {sent} tasks, {lost} lost, {sender.output().count('refused')} retried"
    )

    assert "of a new version" in deployed.secure_site.get()
    assert deployed.python(APPLIED).strip() == "1"
    assert load.failed == []
    assert lost == 0
    assert load.answered > 100
    assert sent > 100
    assert "refused" not in sender.output()


def kill(own: Stack, container: dict[str, Any]) -> None:
    """Kill a container's first process, and so all of them, as the kernel does when there is no memory.

    ``docker kill`` is for people: the engine takes it for a stop, after which no restart policy starts anything.
    """
    command = ("docker", "run", "--rm", "--privileged", "--pid", "host", "--user", "0", "--entrypoint", "sh", own.name)
    own.project.run(*command, "-c", f"kill -KILL {container['State']['Pid']}")


def kill_and_wait(own: Stack, service: str, index: int = 0) -> float:
    """Kill a container of a service, wait until it is there and healthy again; return how many seconds that took."""
    container = own.containers(service)[index]
    start = time.monotonic()
    kill(own, container)

    def is_back() -> bool:
        (now,) = (one for one in own.containers(service) if one["Id"] == container["Id"])
        return bool(now["RestartCount"] > container["RestartCount"] and now["State"]["Health"]["Status"] == "healthy")

    wait_until(is_back, f"{service} again")
    return time.monotonic() - start


def longest_pause(own: Stack) -> float:
    """The longest time, in seconds, that lay between two runs of the entry that is due often."""
    lines = own.compose("logs", "--no-color", "--no-log-prefix", "--timestamps", "celery-beat").stdout.splitlines()
    moments = sorted(datetime.fromisoformat(line[:26] + "+00:00") for line in lines if "Sending due task often" in line)
    return max((later - earlier).total_seconds() for earlier, later in itertools.pairwise(moments))


def runs(own: Stack) -> int:
    return own.log("celery-beat").count("Sending due task often")


def test_broker_worker_and_leader_that_are_killed_come_back_and_no_task_is_lost(
    deployed: Stack, figure: Callable[[str], None]
) -> None:
    deployed.python(OFTEN.replace("OFTEN", str(OFTEN_SECONDS)))
    wait_until(lambda: runs(deployed) > 2, "runs of the entry")
    with requests(deployed) as load, tasks(deployed) as sender:
        time.sleep(10)
        leader = deployed.python(LEADER).partition(":")[0].strip()
        (index,) = (n for n, one in enumerate(deployed.containers("celery-beat")) if one["Id"].startswith(leader))
        back = {"celery-beat": kill_and_wait(deployed, "celery-beat", index)}
        time.sleep(TAKEN_OVER_SECONDS)
        pause = longest_pause(deployed)
        for service in ("celery", "celery-long", deployed.broker):
            back[service] = kill_and_wait(deployed, service)
            before = runs(deployed)
            wait_until(lambda: runs(deployed) > before + 2, "runs of the entry again")  # noqa: B023
            time.sleep(5)
    sent, lost = wait_until_all_are_done(deployed, load, 180)
    took = ", ".join(f"{service} {seconds:.0f} s" for service, seconds in back.items())
    figure(
        f"kills on {deployed.broker}: healthy again after {took}; the schedule paused {pause:.1f} s; {sent} tasks, {lost} lost,"
        f" {sender.output().count('refused')} retried; {load.answered} requests answered, {len(load.failed)} not"
    )

    assert lost == 0
    assert sent > 100
    assert pause <= TAKEN_OVER_SECONDS + OFTEN_SECONDS
    assert set(deployed.health().values()) == {"healthy"}


def test_a_database_that_is_killed_comes_back_and_no_task_is_lost(
    deployed: Stack, figure: Callable[[str], None]
) -> None:
    """The mail's task tries again while the database is away."""
    deployed.python(OFTEN.replace("OFTEN", str(OFTEN_SECONDS)))
    with tasks(deployed) as sender:
        time.sleep(10)
        back = kill_and_wait(deployed, "db")
        before = runs(deployed)
        wait_until(lambda: runs(deployed) > before + 2, "runs of the entry again")
        time.sleep(10)
    with contextlib.suppress(AssertionError):
        wait_until(lambda: deployed.python(SENT) == deployed.python(DONE), "all tasks", 180)
    sent = int(deployed.python(SENT))
    lost = sent - int(deployed.python(DONE))
    figure(
        f"database killed, {deployed.broker}: healthy again after {back:.0f} s; {sent} tasks, {lost} lost,"
        f" {sender.output().count('refused')} retried"
    )

    assert lost == 0
    assert sent > 50
    assert set(deployed.health().values()) == {"healthy"}
    assert deployed.secure_site.watch_report(months=1)[-1]["state"] == "SUCCESS"
