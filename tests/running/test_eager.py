"""A project with no broker, and its way to a broker and back."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.baking import MAKE, UV, Project
from tests.running.site import Site
from tests.servers import free_port, redis, running, wait_until

Installed = Callable[..., Project]


@pytest.fixture
def project(installed: Installed, tmp_path: Path) -> Project:
    project = installed(tmp_path / "project")
    project.make("migrate")
    return project


def test_the_page_runs_the_task_and_shows_its_progress(project: Project, tmp_path: Path) -> None:
    port = free_port()
    with running([*MAKE, "run", f"WEB_PORT={port}"], project.path, project.environment, tmp_path / "log") as web:
        site = Site(port)
        web.wait_for(site.answers, "the site")
        seen = site.watch_report(months=4)

    assert len([status for status in seen if status["state"] == "PROGRESS"]) >= 2
    assert len(seen[-1]["report"]["months"]) == 4


def test_make_dev_starts_just_the_web_server(project: Project, tmp_path: Path) -> None:
    port = free_port()
    with running([*MAKE, "dev", f"WEB_PORT={port}"], project.path, project.environment, tmp_path / "log") as dev:
        dev.wait_for(Site(port).answers, "the site")

        assert set(re.findall(r"(\w+)\.1 +\|", dev.output())) == {"web"}


def test_beat_runs_what_is_due_in_its_own_process(project: Project, tmp_path: Path) -> None:
    project.python(
        "from django_celery_beat.models import IntervalSchedule as I, PeriodicTask as P\n"
        "every = I.objects.create(every=1, period='seconds')\n"
        "P.objects.create(name='often', task='base.tasks.build_report', kwargs='{\"pause\": 0}', interval=every)"
    )
    done = "from django_celery_results.models import TaskResult as R; print(R.objects.filter(status='SUCCESS').count())"
    with running([*MAKE, "beat"], project.path, project.environment, tmp_path / "log") as beat:
        wait_until(lambda: int(project.python(done)) >= 2, "two runs")

        assert "Traceback" not in beat.output()


def test_beat_refuses_to_run_tasks_itself_in_production(project: Project) -> None:
    production = {
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "DJANGO_SECRET_KEY": "for-this-test-only-0123456789-abcdefghijklmnopqrstuvwxyz",
        "DJANGO_ALLOWED_HOSTS": "localhost",
        "EMAIL_URL": "smtp://localhost",
    }

    refused = project.run(UV, "run", "celery", "-A", "config", "beat", "--pidfile=", check=False, **production)

    assert refused.returncode == 1
    assert "CELERY_BROKER_URL is empty, so beat would run each task itself" in refused.stdout
    assert "Traceback" not in refused.stdout


def test_lines_of_env_turn_a_broker_on_and_off(project: Project, tmp_path: Path) -> None:
    """The same checkout: eager, then a worker on Redis that takes up a change of the code, then eager again."""
    file, port = project.path / ".env", free_port()
    eager = file.read_text()
    with redis(tmp_path) as broker:
        file.write_text(
            re.sub(r"^# (CELERY_|COMPOSE_P)", r"\1", eager, flags=re.MULTILINE).replace(":6379/", f":{broker}/")
        )
        with running([*MAKE, "dev", f"WEB_PORT={port}"], project.path, project.environment, tmp_path / "log") as dev:
            dev.wait_for(lambda: " ready." in dev.output(), "a worker")
            dev.wait_for(Site(port).answers, "the site")

            assert set(re.findall(r"(\w+)\.1 +\|", dev.output())) >= {"web", "worker", "beat"}
            assert Site(port).watch_report(months=1)[-1]["state"] == "SUCCESS"
            assert "Task base.tasks.build_report" in dev.output()

            tasks = project.path / "base/tasks.py"
            tasks.write_text(
                tasks.read_text().replace('row["users"] for row in rows)', 'row["users"] for row in rows) + 1000')
            )
            wait_until(lambda: dev.output().count(" ready.") == 2, "the worker again, with the changed code")
            dev.wait_for(Site(port).answers, "the site")

            assert Site(port).watch_report(months=1)[-1]["report"]["total"] == 1000

    file.write_text(eager)
    assert "Eager: no broker is set" in project.make("example").stdout
