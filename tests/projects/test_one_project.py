"""What holds for one baked project holds for all: these look at the default one, or at the one they name."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.baking import UV, Project

Installed = Callable[..., Project]


@pytest.fixture
def project(installed: Installed, tmp_path: Path) -> Project:
    return installed(tmp_path)


def test_the_three_plain_commands_of_the_readme_bring_it_up(project: Project) -> None:
    readme = (project.path / "README.md").read_text()
    for command in ("uv sync", "uv run manage.py migrate"):
        assert re.search(rf"^{command}$", readme, re.MULTILINE)
        project.run(UV, *command.split()[1:])

    assert "[X]" in project.run(UV, "run", "manage.py", "showmigrations").stdout
    assert "[ ]" not in project.run(UV, "run", "manage.py", "showmigrations").stdout


def test_the_example_task_prints_its_result(project: Project) -> None:
    assert "Result: 0 new users in 3 months (SUCCESS)." in project.make("example").stdout


@pytest.mark.parametrize(
    ("broker", "eager"), [("", "True"), ("redis://localhost:6379/1", "False"), ("amqp://localhost", "False")]
)
def test_the_broker_url_alone_decides(project: Project, broker: str, eager: str) -> None:
    code = "from django.conf import settings; print(settings.CELERY_TASK_ALWAYS_EAGER)"

    project.set_env(CELERY_BROKER_URL=broker)

    assert project.python(code).strip() == eager


def test_the_environment_wins_over_the_file(project: Project) -> None:
    code = "from django.conf import settings; print(settings.CELERY_TASK_ALWAYS_EAGER)"

    project.set_env(CELERY_BROKER_URL="redis://localhost:6379/1")

    assert project.python(code, CELERY_BROKER_URL="").strip() == "True"


def test_a_worker_with_no_broker_is_refused_with_a_sentence(project: Project) -> None:
    settings = {"DJANGO_SETTINGS_MODULE": "config.settings.development"}
    done = project.run(UV, "run", "celery", "-A", "config", "worker", check=False, **settings)

    assert done.returncode == 1
    assert "CELERY_BROKER_URL is empty, so a worker would get no tasks" in done.stdout


def test_without_the_example_app_the_checks_pass(project: Project) -> None:
    """The three mentions of base/: the app, its URLs and its entries of the schedule."""
    for folder in ("base", "tests/base"):
        shutil.rmtree(project.path / folder)
    mentions = {
        "config/settings/base.py": r'    "base",\n',
        "config/urls.py": r'    path\("", include\("base.urls"\)\),\n',
        "config/settings/celery.py": r"(?s)(?<=CELERY_BEAT_SCHEDULE: dict\[str, dict\[str, Any\]\] = \{).*(?=\})",
    }
    routes = ("config/settings/celery.py", r'    "base\.tasks\.\w+": \{"queue": "long"\},\n')
    for name, mention in [*mentions.items(), routes]:
        text, count = re.subn(mention, "", (project.path / name).read_text())
        assert count == 1, name
        (project.path / name).write_text(text)
    left = [
        file
        for file in project.path.rglob("*.py")
        if re.search(r"\bbase\.(tasks|urls|views|models)|\bimport base\b", file.read_text())
    ]

    project.make("format")
    checks = project.make("check")

    assert left == []
    assert "No changes detected" in checks.stdout
    project.make("test-all")


def test_the_project_still_names_its_schedule_after_a_change_of_mind(project: Project) -> None:
    """Seeding again changes nothing that an administrator has changed."""
    project.make("migrate")
    project.python(
        "from django_celery_beat.models import IntervalSchedule, PeriodicTask\n"
        "hour = IntervalSchedule.objects.create(every=1, period='hours')\n"
        "PeriodicTask.objects.filter(name='delete-old-records').update(interval=hour)"
    )

    seeded = project.make("migrate").stdout

    assert "Seeded" not in seeded
    assert "every hour" in project.make("schedule").stdout


def test_a_commit_is_checked_by_the_hooks_that_make_installs(project: Project) -> None:
    project.run("git", "init", "--quiet")
    project.make("hooks")
    project.run("git", "add", ".")
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    good = project.run("git", *identity, "commit", "--message", "Begin")
    (project.path / "base/tasks.py").write_text("import os\n")
    project.run("git", "add", ".")
    bad = project.run("git", *identity, "commit", "--message", "Break", check=False)

    assert good.stdout.count("Passed") == 3
    assert bad.returncode != 0
    assert "Failed" in bad.stdout


IMPORTS = """
import importlib.metadata as metadata, json, sys
wanted = json.loads(sys.argv[1])
modules = {}
for module, names in metadata.packages_distributions().items():
    for name in names:
        modules.setdefault(name.lower().replace("_", "-"), []).append(module)
scripts = ("/bin/", "/Scripts/")
commands = {
    name: [file.stem for file in metadata.distribution(name).files if any(folder in file.as_posix() for folder in scripts)]
    for name in wanted
}
print(json.dumps({name: [modules.get(name, []), commands[name]] for name in wanted}))
"""
# What is used without being named by its own module or command.
INDIRECT = {
    "dj-email-url": "env.dj_email_url(",  # environs imports it
    "django-stubs": "mypy_django_plugin.main",  # the plugin of mypy
    "ephem": "solar(",  # celery.schedules.solar imports it
    "psycopg": "postgresql",  # Django's backend of that name imports it
    "pytest-django": "--ds=",  # the plugin of pytest
}


@pytest.mark.parametrize(("broker", "database"), [("none", "sqlite"), ("rabbitmq", "postgresql")])
def test_every_dependency_is_used(installed: Installed, tmp_path: Path, broker: str, database: str) -> None:
    project = installed(tmp_path, broker=broker, database=database)
    metadata = project.path / "pyproject.toml"
    code = "import json,sys,tomllib; d=tomllib.load(open('pyproject.toml','rb')); print(json.dumps(d['project']['dependencies']+d['dependency-groups']['dev']))"
    wanted = [
        re.split(r"[\[<>=~]", name)[0]
        for name in json.loads(project.run(UV, "run", "--quiet", "python", "-c", code).stdout)
    ]
    found = json.loads(project.run(UV, "run", "--quiet", "python", "-c", IMPORTS, json.dumps(wanted)).stdout)
    python = "\n".join(file.read_text() for file in project.path.rglob("*.py"))
    places = (
        "Makefile",
        "Procfile",
        "background/worker/reload.sh",
        "Dockerfile",
        "compose.yaml",
        "compose.production.yaml",
        ".pre-commit-config.yaml",
    )
    commands = "\n".join((project.path / place).read_text() for place in places)
    everything = (
        python + commands + metadata.read_text().partition("[tool.uv]")[2] + (project.path / ".env").read_text()
    )

    def is_used(name: str) -> bool:
        modules, scripts = found[name]
        return (
            any(re.search(rf"(\bimport |\bfrom |[\"'])({module})\b", python) for module in modules)
            or any(re.search(rf"(\s|\"){script}\b", commands) for script in scripts)
            or (name in INDIRECT and INDIRECT[name] in everything)
        )

    assert len(wanted) > 10
    assert [name for name in wanted if not is_used(name)] == []
