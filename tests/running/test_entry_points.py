"""Which settings a process has, and how it holds its connections to the database, by the command that starts it."""

import http.client
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from uuid import uuid4

import pytest

from tests.baking import UV, Project
from tests.conftest import missing
from tests.servers import accepts, free_port, postgresql, program, redis, running, wait_until

Installed = Callable[..., Project]
PRODUCTION = {
    "DJANGO_SECRET_KEY": "for-this-test-only-0123456789-abcdefghijklmnopqrstuvwxyz",
    "DJANGO_ALLOWED_HOSTS": "example.com, localhost",
    "EMAIL_URL": "smtp://localhost",
}
SERVERS = {
    "wsgi": ["python", "-c", "import config.wsgi"],
    "asgi": ["python", "-c", "import config.asgi"],
    "gunicorn": ["gunicorn", "--check-config", "config.wsgi"],
    "gunicorn with the callable": ["gunicorn", "--check-config", "config.wsgi:application"],
    "worker": ["celery", "-A", "config", "worker"],
    "beat": ["python", "-m", "celery", "-A", "config", "beat", "--pidfile="],
    "celery": ["celery", "-A", "config.celery:app", "report"],
}
COMMANDS = {"manage.py": ["python", "manage.py", "check"], "python manage.py": ["./manage.py", "migrate", "--plan"]}
BROKER = {"CELERY_BROKER_URL": "redis://localhost:1/1", "CELERY_RESULT_BACKEND": "redis://localhost:1/2"}  # refuses
TELL = """
import atexit, os
def tell():
    from django.conf import settings
    print("uses", os.environ["DJANGO_SETTINGS_MODULE"], settings.DEBUG, flush=True)
atexit.register(tell)
"""


@pytest.fixture(scope="module")
def project(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """An eager project, so that a worker, and in production beat, end by themselves. Each process says its settings."""
    folder = tmp_path_factory.mktemp("entry")
    (folder / "sitecustomize.py").write_text(TELL)
    return installed(folder / "project")


def started(project: Project, command: list[str], **variables: str) -> str:
    """What a command prints in a bare environment with these variables."""
    folder = Path(project.environment["UV_PROJECT_ENVIRONMENT"]) / "bin"
    bare = {"PATH": f"{folder}:/usr/bin:/bin", "PYTHONPATH": str(project.path.parents[1]), **variables}
    done = subprocess.run(command, cwd=project.path, env=bare, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@pytest.fixture
def without_env(project: Project) -> Iterator[None]:
    """Move .env out of the way."""
    hidden = (project.path / ".env").rename(project.path / "hidden")
    yield
    hidden.rename(project.path / ".env")


@pytest.mark.parametrize("command", SERVERS.values(), ids=SERVERS)
def test_a_server_that_is_told_of_no_settings_refuses_to_be_one_of_development(
    project: Project, command: list[str]
) -> None:
    output = started(project, command)

    assert "The production settings need DJANGO_ALLOWED_HOSTS, EMAIL_URL in the environment" in output
    assert "config.settings.development True" not in output


@pytest.mark.parametrize("command", [SERVERS["wsgi"], SERVERS["worker"]], ids=["wsgi", "worker"])
@pytest.mark.usefixtures("without_env")
def test_without_env_it_refuses_too(project: Project, command: list[str]) -> None:
    output = started(project, command, DJANGO_SETTINGS_MODULE="")

    assert "need DJANGO_SECRET_KEY, DJANGO_ALLOWED_HOSTS, EMAIL_URL in the environment" in output


@pytest.mark.parametrize("command", SERVERS.values(), ids=SERVERS)
def test_a_server_with_what_production_needs_is_one_of_production(project: Project, command: list[str]) -> None:
    assert "uses config.settings.production False" in started(project, command, **PRODUCTION)


@pytest.mark.parametrize("secret", ["change-me-secret-key", "for-development-only"])
def test_production_refuses_a_secret_that_everyone_knows(project: Project, secret: str) -> None:
    output = started(project, SERVERS["wsgi"], **{**PRODUCTION, "DJANGO_SECRET_KEY": secret})

    assert "which everyone knows" in output


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.usefixtures("without_env")
def test_manage_py_is_of_development(project: Project, command: list[str]) -> None:
    assert "uses config.settings.development True" in started(project, command)


@pytest.mark.parametrize("name", ["wsgi", "worker"])
def test_a_server_takes_the_settings_that_are_named(project: Project, name: str) -> None:
    output = started(project, SERVERS[name], DJANGO_SETTINGS_MODULE="config.settings.development")

    assert "uses config.settings.development True" in output


@pytest.mark.parametrize("mode", ["eager", "redis"])
def test_celery_calls_a_task_and_tells_its_result(project: Project, tmp_path: Path, mode: str) -> None:
    """With the results in the database, whose models Celery's own commands do not load."""
    celery = ["celery", "-A", "config"]
    call = [*celery, "call", "base.tasks.build_report", "--kwargs", '{"months": 1, "pause": 0}']
    started(project, ["./manage.py", "migrate"])
    with redis(tmp_path) as port:
        settings = {"DJANGO_SETTINGS_MODULE": "config.settings.development"}
        broker = {"CELERY_BROKER_URL": f"redis://localhost:{port}/1"} if mode == "redis" else {}
        with worker(project, tmp_path, {**settings, **broker}) if broker else nullcontext():
            task_id = started(project, call, **settings, **broker).split()[0]
            result = started(project, [*celery, "result", task_id], **settings, **broker)

    assert "'total': 0" in result


def test_celery_refuses_to_call_eagerly_what_does_not_exist(project: Project) -> None:
    settings = {"DJANGO_SETTINGS_MODULE": "config.settings.development"}

    assert "NotRegistered: 'base.tasks.nothing'" in started(
        project, ["celery", "-A", "config", "call", "base.tasks.nothing"], **settings
    )


@contextmanager
def worker(project: Project, folder: Path, variables: dict[str, str]) -> Iterator[None]:
    command = [UV, "run", "celery", "-A", "config", "worker", "--concurrency", "1"]
    with running(command, project.path, {**project.environment, **variables}, folder / "worker.log"):
        yield


@pytest.mark.parametrize(
    "command",
    [
        ["python", "manage.py", "test"],
        ["python", "-m", "django", "test"],
        ["django-admin", "test"],
        ["python", "-m", "unittest"],
    ],
    ids=" ".join,
)
def test_what_django_s_tests_enqueue_reaches_no_broker(project: Project, command: list[str]) -> None:
    """Also where the environment names development's settings and a broker, as in a dev container."""
    (project.path / "test_asks.py").write_text(ASKS)
    started(project, ["./manage.py", "migrate"])  # unittest has no other database
    variables = {**BROKER, "DJANGO_SETTINGS_MODULE": "config.settings.development", "PYTHONPATH": "."}
    output = started(project, [*command, "test_asks"], **variables)

    assert "Ran 1 test" in output
    assert output.splitlines().count("OK") == 1, output


def test_what_pytest_enqueues_reaches_no_broker_of_env(project: Project) -> None:
    file = project.path / ".env"
    before = file.read_text()
    file.write_text(before + "\n".join(f"{name}={value}" for name, value in BROKER.items()))
    (project.path / "test_asks.py").write_text(ASKS)
    output = started(
        project, ["python", "-m", "pytest", "test_asks.py"], DJANGO_SETTINGS_MODULE="config.settings.development"
    )
    file.write_text(before)

    assert "1 passed" in output


ASKS = """
import django
django.setup()
from django.test import TestCase
from base.tasks import build_report
from config import celery_app

class Asks(TestCase):
    def test_it_runs_here(self):
        self.assertEqual(build_report.delay(months=1).get(timeout=1)["months"][0]["users"], 0)
        celery_app.send_task("base.tasks.build_report", kwargs={"months": 1})
"""


class Served:
    """A project on PostgreSQL that answers many clients at once, and what the database sees of it."""

    def __init__(self, project: Project, database: int, folder: Path) -> None:
        self.project, self.database, self.folder = project, database, folder
        self.psql = program("psql", "usr/lib/postgresql/*/bin")

    def connections(self) -> int:
        """How many connections the project has to the database."""
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        command = [self.psql, "-h", "127.0.0.1", "-p", str(self.database), "-U", "postgres", "-At", "-c", query]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    def answers(self, port: int, requests: int) -> set[int]:
        """The statuses of so many requests, one after another."""
        found = set()
        for _ in range(requests):
            client = http.client.HTTPConnection("localhost", port, timeout=60)
            client.request("GET", f"/reports/{uuid4()}/status/", headers={"X-Forwarded-Proto": "https"})
            found.add(client.getresponse().status)
            client.close()
        return found

    def load(self, *command: str) -> tuple[set[int], int]:
        """Start a server, let 20 clients ask 15 times each, and return the statuses and the most connections seen."""
        port, most = free_port(), 0
        environment = {
            **self.project.environment,
            **PRODUCTION,
            "DATABASE_URL": f"postgresql://postgres@127.0.0.1:{self.database}/postgres",
        }
        arguments = [word.replace("PORT", str(port)) for word in command]
        with running([UV, "run", *arguments], self.project.path, environment, self.folder / "log") as server:
            server.wait_for(lambda: accepts(port), "the server")
            with ThreadPoolExecutor(20) as clients:
                answers = [clients.submit(self.answers, port, 15) for _ in range(20)]
                while not all(answer.done() for answer in answers):
                    most = max(most, self.connections())
                    time.sleep(0.05)
            return set().union(*(answer.result() for answer in answers)), most


@pytest.fixture
def served(installed: Installed, tmp_path: Path) -> Iterator[Served]:
    project = installed(tmp_path / "project", database="postgresql")
    with postgresql(tmp_path) as port:
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        project.run(UV, "run", "manage.py", "migrate", DATABASE_URL=url)
        yield Served(project, port, tmp_path)


def test_an_asgi_server_keeps_no_connection_and_gunicorn_one_for_each_thread(served: Served) -> None:
    offered = served.project.run(UV, "run", "--with", "uvicorn", "uvicorn", "--version", check=False)
    if offered.returncode:
        missing(f"uvicorn can't be had: {offered.stdout}")
    asgi = served.load("--with", "uvicorn", "uvicorn", "config.asgi:application", "--port", "PORT")
    wait_until(lambda: served.connections() == 0, "the end of all connections")
    wsgi = served.load("gunicorn", "config.wsgi", "--bind", "127.0.0.1:PORT", "--threads", "4")

    assert asgi[0] == wsgi[0] == {200}
    assert asgi[1] <= 25
    assert 1 <= wsgi[1] <= 6
