"""Which settings a program uses, by how it is started, with and without .env, and with and without the variable."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.baking import Project

Installed = Callable[..., Project]
WHICH = "from django.conf import settings; print('settings:', settings.SETTINGS_MODULE, settings.DEBUG)"
PRODUCTION = {
    "DJANGO_SECRET_KEY": "for-this-test-only-0123456789-abcdefghijklmnopqrstuvwxyz",
    "DJANGO_ALLOWED_HOSTS": "localhost",
    "EMAIL_URL": "smtp://localhost",
}
# What servers import, and the servers. ``-c`` stands for those that are not installed.
IMPORTS = {
    "wsgi": ["python", "-c", f"import config.wsgi; {WHICH}"],
    "asgi": ["python", "-c", f"import config.asgi; {WHICH}"],
    "celery": ["python", "-c", f"from config import celery_app; {WHICH}"],
}
SERVERS = {
    "gunicorn": ["gunicorn", "--check-config", "config.wsgi"],
    "gunicorn-asgi": ["gunicorn", "--check-config", "config.asgi"],
    "worker": ["celery", "-A", "config", "worker"],
    "worker-module": ["python", "-m", "celery", "-A", "config", "worker"],
    "beat": ["celery", "-A", "config", "beat", "--pidfile="],
}
MANAGE = ["python", "manage.py", "shell", "--no-imports", "--command", WHICH]
A_TEST = """
from django.conf import settings
from django.test import TestCase

from base.tasks import send_missing_welcome_mails


class Eager(TestCase):
    def test_nothing_leaves_the_process(self) -> None:
        print("settings:", settings.SETTINGS_MODULE, settings.DEBUG)
        self.assertTrue(send_missing_welcome_mails.delay().successful())
"""


@pytest.fixture(scope="module", params=[".env", "no .env"])
def project(installed: Installed, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Project:
    project = installed(tmp_path_factory.mktemp("entry"))
    if request.param == "no .env":
        (project.path / ".env").unlink()
    return project


def start(project: Project, command: list[str], **variables: str) -> tuple[int, str]:
    """Its exit status, and what it printed. Static files are not collected here, so warnings of that are off."""
    program = Path(project.environment["UV_PROJECT_ENVIRONMENT"]) / "bin" / command[0]
    variables["PYTHONWARNINGS"] = "ignore"
    done = project.run(str(program), *command[1:], check=False, **variables)
    return done.returncode, done.stdout


@pytest.mark.parametrize("name", [*IMPORTS, *SERVERS])
def test_a_server_is_not_developments_by_accident(project: Project, name: str) -> None:
    status, output = start(project, {**IMPORTS, **SERVERS}[name])

    assert status != 0
    assert "The production settings need " in output
    assert "DJANGO_ALLOWED_HOSTS, EMAIL_URL in the environment." in output
    assert "DJANGO_SETTINGS_MODULE=config.settings.development." in output


@pytest.mark.parametrize("name", IMPORTS)
def test_a_server_uses_productions_settings(project: Project, name: str) -> None:
    assert start(project, IMPORTS[name], **PRODUCTION) == (0, "settings: config.settings.production False\n")


@pytest.mark.parametrize("name", IMPORTS)
def test_the_environment_names_other_settings(project: Project, name: str) -> None:
    status, output = start(project, IMPORTS[name], DJANGO_SETTINGS_MODULE="config.settings.development")

    assert (status, output) == (0, "settings: config.settings.development True\n")


def test_manage_py_uses_developments_settings(project: Project) -> None:
    assert start(project, MANAGE) == (0, "settings: config.settings.development True\n")
    assert start(project, MANAGE, DJANGO_SETTINGS_MODULE="config.settings.production", **PRODUCTION) == (
        0,
        "settings: config.settings.production False\n",
    )


@pytest.mark.parametrize("command", [["python", "manage.py", "test", "tests"], ["pytest", "-s", "tests/test_own.py"]])
@pytest.mark.parametrize("variable", [{}, {"DJANGO_SETTINGS_MODULE": "config.settings.development"}])
def test_tests_leave_the_broker_of_env_alone(project: Project, command: list[str], variable: dict[str, str]) -> None:
    if not (project.path / ".env").exists():
        pytest.skip("it has no broker either")
    project.set_env(CELERY_BROKER_URL="redis://localhost:1/1", CELERY_RESULT_BACKEND="redis://localhost:1/2")
    (project.path / "tests/test_own.py").write_text(A_TEST)

    status, output = start(project, command, **variable)

    assert status == 0, output
    assert "settings: config.settings.test False" in output
