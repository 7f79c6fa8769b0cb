"""A project with a broker, as a team runs it: server, worker and beat are started by the project's own commands."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.baking import CHOICES, MAKE, Project
from tests.running.site import Site
from tests.servers import Process, broker_of, free_port, names_in_broker, run_tests_through_broker, running, wait_until

Installed = Callable[..., Project]
# How a person starts the three: each in a terminal of its own, or all in one.
STARTS = {"redis": [["run"], ["worker"], ["beat"]], "valkey": [["dev"]], "rabbitmq": [["dev"]]}
# The tests count reports, so none is to come of itself because the sun sets meanwhile.
EVERY_TWO_SECONDS = """
from django_celery_beat.models import IntervalSchedule, PeriodicTask
PeriodicTask.objects.filter(name="report-at-sunset").update(enabled=False)
PeriodicTask.objects.create(
    name="every-two-seconds",
    task="background.tasks.delete_old_records",
    interval=IntervalSchedule.objects.create(every=2, period="seconds"),
)
"""
# The outbox is relayed by beat.
TWO_USERS = """
from users.models import User
for n in range(2):
    User.objects.create_user(f"user{n}", f"user{n}@example.com")
"""
WELCOMED = "from base.models import WelcomeMail; print(WelcomeMail.objects.exclude(sent_at=None).count())"


class Team:
    """A project whose web server, worker and beat run."""

    def __init__(self, project: Project, site: Site, processes: list[Process], folder: Path) -> None:
        self.project, self.site, self.processes, self.folder = project, site, processes, folder

    def output(self) -> str:
        return "".join(process.output() for process in self.processes)


@pytest.fixture(scope="module", params=[broker for broker in CHOICES["broker"] if broker != "none"])
def team(
    installed: Installed, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        project = installed(folder / "project", broker=request.param)
        stack.enter_context(broker_of(project, request.param, folder))
        project.make("migrate")
        project.python(EVERY_TWO_SECONDS)
        port = free_port()
        environment = {**project.environment, "WEB_PORT": str(port)}
        processes = [
            stack.enter_context(running([*MAKE, *targets], project.path, environment, folder / f"{targets[0]}.log"))
            for targets in STARTS[request.param]
        ]
        team = Team(project, Site(port), processes, folder)
        processes[0].wait_for(team.site.answers, "the site")
        wait_until(lambda: " ready." in team.output(), "a worker")
        yield team


def test_a_task_sent_from_the_page_is_done_by_the_worker_and_watched(team: Team) -> None:
    seen = team.site.watch_report(months=4)

    states = [status["state"] for status in seen]
    assert states == sorted(states, key=["PENDING", "QUEUED", "PROGRESS", "SUCCESS"].index)
    assert states.count("PROGRESS") >= 2
    assert len(seen[-1]["report"]["months"]) == 4
    assert "Task base.tasks.build_report" in team.output()


def test_the_form_is_answered_before_the_task_is_done(team: Team) -> None:
    task_id, request = team.site.send_form(months=6)
    request.join()

    assert not team.site.status(task_id)["ready"]
    wait_until(lambda: team.site.status(task_id)["ready"], "the report")


def test_an_entry_of_two_seconds_fires_again_and_again(team: Team) -> None:
    runs = "from django_celery_beat.models import PeriodicTask as P; print(P.objects.get(name='every-two-seconds').last_run_at)"

    wait_until(lambda: team.output().count("Sending due task every-two-seconds") >= 3, "three runs of the entry")

    assert "Traceback" not in team.output()
    assert team.project.python(runs)


def test_a_mail_that_is_enqueued_with_its_user_is_sent(team: Team) -> None:
    team.project.python(TWO_USERS)

    wait_until(lambda: team.project.python(WELCOMED).strip() == "2", "the mails")


def test_the_project_s_own_tests_pass_beside_the_worker_that_runs(team: Team) -> None:
    """On queues of their own, of which nothing is left; `test_check_and_test.py` has those of background/ too."""
    reports = team.output().count("Task base.tasks.build_report")

    run_tests_through_broker(team.project, "test")

    assert team.output().count("Task base.tasks.build_report") == reports
    assert [name for name in names_in_broker(team.project, team.folder) if "tests-" in name] == []


def test_the_seeded_schedule_is_in_the_database(team: Team) -> None:
    keys = {line.partition(" ")[0] for line in team.project.make("schedule").stdout.splitlines()}

    assert {
        "delete-expired-sessions",
        "delete-old-records",
        "report-at-sunset",
        "report-of-the-decade",
        "every-two-seconds",
    } <= keys
