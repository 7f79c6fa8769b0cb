"""A new version, and the death of each part, while requests and tasks come in at a steady pace."""

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

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
# The entry that sends what is missing would hide a mail that was lost.
NO_SWEEP = "from django_celery_beat.models import PeriodicTask as P; P.objects.filter(name='send-missing-welcome-mails').delete()"


@pytest.fixture(params=[pytest.param("redis", id="redis"), pytest.param("rabbitmq", id="rabbitmq")])
def deployed(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A project in production, on PostgreSQL, that sends no mail and has nothing that would send one again."""
    with stack(tmp_path / "project", PRODUCTION, broker=request.param, database="postgresql") as own:
        shorten(own.project.path / "config/settings/celery.py")
        own.set(EMAIL_URL="dummy:")
        own.project.make("deploy")
        own.python(NO_SWEEP)
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


def test_a_new_version_loses_no_task_and_answers_every_request(deployed: Stack, figures: list[str]) -> None:
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
    figures.append(
        f"deployment on {deployed.broker}: {took:.0f} s, {load.answered} requests answered, {len(load.failed)} failed, "
        f"the slowest after {load.slowest:.1f} s; {sent} tasks, {lost} lost, {sender.output().count('refused')} tried anew"
    )

    assert "of a new version" in deployed.secure_site.get()
    assert deployed.python(APPLIED).strip() == "1"
    assert load.failed == []
    assert lost == 0
    assert load.answered > 100
    assert sent > 100
    assert "refused" not in sender.output()
