"""What a developer does with Compose, on a real engine: start, send, watch, scale, change the code, turn the broker off."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.stack import Stack, hand_over, stack, variants
from tests.servers import running, wait_until

WORKING = {"celery-1", "celery-long-1", "celery-beat-1"}
OWNER = 12345  # no user has this number
EVERY_TWO_SECONDS = """
from django_celery_beat.models import IntervalSchedule, PeriodicTask
PeriodicTask.objects.create(
    name="every-two-seconds",
    task="background.tasks.delete_old_records",
    interval=IntervalSchedule.objects.create(every=2, period="seconds"),
)
"""
NEW_USER = "from users.models import User; User.objects.create_user('ada', email='ada@example.com')"


@pytest.fixture(scope="module", params=variants(("redis", "sqlite")))
def started(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A project that `make up` has started. Where the tests are root, another user owns it."""
    broker, database = request.param
    with stack(tmp_path_factory.mktemp(broker), broker=broker, database=database, monitoring="prometheus") as own:
        if os.geteuid() == 0:
            hand_over(own.project.path, OWNER)
        own.project.make("up")
        yield own


def test_what_the_answers_say_runs_and_is_healthy(started: Stack) -> None:
    expected = {"web-1"}
    if broker := started.broker:
        expected |= WORKING | {f"{broker}-1"}
    if "DB_PORT" in started.ports:
        expected |= {"db-1"}

    assert started.health() == dict.fromkeys(expected, "healthy")


def test_a_task_sent_from_the_page_is_done_by_the_worker_s_container(started: Stack) -> None:
    seen = started.site.watch_report(months=3)

    assert (seen[-1]["state"], len(seen[-1]["report"]["months"])) == ("SUCCESS", 3)
    if started.broker:
        started.wait_for_log("celery-long", "Task base.tasks.build_report")


def test_a_short_task_is_done_by_the_container_celery(started: Stack) -> None:
    started.python(NEW_USER)

    if started.broker:
        started.wait_for_log("celery", "Task base.tasks.send_welcome_mail")
    done = "from base.models import WelcomeMail; print(WelcomeMail.objects.exclude(sent_at=None).count())"
    wait_until(lambda: started.python(done).strip() == "1", "the welcome mail")


def test_an_entry_of_the_schedule_fires_again_and_again(started: Stack) -> None:
    if not started.broker:
        pytest.skip("without a broker, Compose starts no beat")
    started.python(EVERY_TWO_SECONDS)

    def ends() -> int:
        return len(re.findall(r"Task background\.tasks\.delete_old_records\S+ succeeded", started.log("celery")))

    wait_until(lambda: ends() >= 2, "two runs of the entry")


def test_prometheus_finds_every_process(started: Stack) -> None:
    if not started.broker:
        pytest.skip("without a broker there is the web server alone")
    with started.watched() as told:
        wait_until(lambda: (told()["web"], told()["celery"]) == (1, 3), "the figures of web, two workers and beat")


def test_what_the_containers_write_belongs_to_the_owner_of_the_source(started: Stack) -> None:
    owner = started.project.path.stat().st_uid
    started.compose("exec", "--no-TTY", "web", "as-owner", "python", "manage.py", "startapp", "made")
    strange = {str(file) for file in started.project.path.rglob("*") if file.lstat().st_uid != owner}

    assert (started.project.path / "made/models.py").stat().st_uid == owner
    assert strange == set()


def test_workers_can_be_scaled(started: Stack) -> None:
    if not started.broker:
        pytest.skip("without a broker, Compose starts no worker")
    started.compose("up", "--detach", "--wait", "--scale", "celery=4")

    assert [health for name, health in started.health().items() if re.fullmatch(r"celery-\d", name)] == ["healthy"] * 4


def test_web_and_worker_take_up_a_change_of_the_code(started: Stack) -> None:
    starts = {"web": "Watching for file changes", **({"celery-long": " ready."} if started.broker else {})}
    before = {service: started.log(service).count(words) for service, words in starts.items()}
    tasks = started.project.path / "base/tasks.py"
    tasks.write_text(tasks.read_text().replace('row["users"] for row in rows)', 'row["users"] for row in rows) + 1000'))

    for service, words in starts.items():
        wait_until(lambda: started.log(service).count(words) > before[service], f"{service} again")  # noqa: B023
    wait_until(started.site.answers, "the site")
    assert started.site.watch_report(months=1)[-1]["report"]["total"] >= 1000


@pytest.mark.small
def test_lines_of_env_alone_turn_the_broker_on_and_off(tmp_path: Path) -> None:
    with stack(tmp_path / "project") as own:
        file = own.project.path / ".env"
        eager = file.read_text()
        printed = own.project.make("up").stdout

        assert f"http://127.0.0.1:{own.ports['WEB_PORT']}" in printed
        assert own.health() == {"web-1": "healthy"}
        assert own.site.watch_report(months=1)[-1]["state"] == "SUCCESS"

        file.write_text(re.sub(r"^# (CELERY_|COMPOSE_P)", r"\1", eager, flags=re.MULTILINE))
        own.project.make("up")

        assert own.health() == dict.fromkeys({"web-1", "redis-1", *WORKING}, "healthy")
        assert own.site.watch_report(months=1)[-1]["state"] == "SUCCESS"
        own.wait_for_log("celery-long", "Task base.tasks.build_report")

        file.write_text(eager)
        own.project.make("up")

        assert own.health() == {"web-1": "healthy"}
        assert own.site.watch_report(months=1)[-1]["state"] == "SUCCESS"

        own.project.make("down")

        assert own.containers() == []


def test_one_worker_starts_with_what_it_needs(tmp_path: Path) -> None:
    with stack(tmp_path / "project", broker="redis") as own:
        own.compose("up", "--build", "--detach", "--wait", "celery")

        assert own.health() == {"celery-1": "healthy", "redis-1": "healthy"}


def test_two_projects_with_other_ports_run_side_by_side(tmp_path: Path) -> None:
    with stack(tmp_path / "one", broker="redis") as one, stack(tmp_path / "two", broker="redis") as two:
        one.project.make("up")
        two.project.make("up")
        one.python(NEW_USER)

        assert one.health() == two.health() == dict.fromkeys({"web-1", "redis-1", *WORKING}, "healthy")
        assert one.site.watch_report(months=1)[-1]["report"]["total"] == 1
        assert two.site.watch_report(months=1)[-1]["report"]["total"] == 0
        assert "Task base.tasks.send_welcome_mail" not in two.log("celery")


def test_make_shell_and_make_logs_show_the_containers(tmp_path: Path) -> None:
    with stack(tmp_path / "project") as own:
        own.project.make("up")
        shell = subprocess.run(
            ["make", "shell"],
            cwd=own.project.path,
            env=own.project.environment,
            input="from users.models import User; print('users:', User.objects.count())",
            capture_output=True,
            text=True,
            check=True,
        )
        with running(["make", "logs"], own.project.path, own.project.environment, tmp_path / "logs") as logs:
            logs.wait_for(lambda: "Starting development server" in logs.output(), "the log of the web server")

        assert "users: 0" in shell.stdout


def test_whoever_opens_the_dev_container_can_check_the_project(tmp_path: Path) -> None:
    """Its user gets the user ID of the person who opens it, as an editor does it."""
    with stack(tmp_path / "project") as own:
        if os.geteuid() == 0:
            hand_over(own.project.path, OWNER)
        owner = own.project.path.stat().st_uid
        opened = json.loads((own.project.path / ".devcontainer/devcontainer.json").read_text())
        own.project.make("up")

        def run(user: str, *command: str) -> str:
            return own.compose("exec", "--no-TTY", "--user", user, opened["service"], *command).stdout

        run("root", "usermod", "--uid", str(owner), opened["remoteUser"])
        checked = run(opened["remoteUser"], "make", "check")
        run(opened["remoteUser"], "touch", "made")

        assert "No changes detected" in checked
        assert (own.project.path / "made").stat().st_uid == owner
