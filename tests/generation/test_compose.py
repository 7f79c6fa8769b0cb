"""Compose's own parser accepts both files for every answer, and the profile alone decides what runs beside web."""

import functools
import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.baking import CHOICES, clean_environment
from tests.conftest import missing

Bake = Callable[..., Path]
ALWAYS = {"web", "migrate"}
WORKERS = {"celery": "default", "celery-long": "long"}  # and the queue of each
VARIANTS = list(itertools.product(CHOICES["broker"], CHOICES["database"]))
WHERE = "is missing in .env.production"
FILES = {"compose.yaml": ".env", "compose.production.yaml": ".env.production"}


@pytest.fixture(scope="module", autouse=True)
def parser() -> None:
    """Compose itself, without which nothing here can be said."""
    if not shutil.which("docker") or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        missing("docker compose is not installed")


@functools.cache
def compose(project: Path, file: str, *profiles: str, **variables: str) -> dict[str, Any]:
    """What ``docker compose config`` makes of a file, with these profiles on whatever .env says. It is for reading."""
    env_file = ["--env-file", FILES[file]] if (project / FILES[file]).exists() else []
    done = subprocess.run(
        ["docker", "compose", "--file", file, *env_file, "config", "--format", "json"],
        cwd=project,
        env=clean_environment(COMPOSE_PROFILES=",".join(profiles), EMAIL_URL="smtp://mail.example.com", **variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "variable is not set" not in done.stderr
    return dict(json.loads(done.stdout))


def broker_service(broker: str) -> str:
    """A project without a broker has a Redis service that is off."""
    return "redis" if broker == "none" else broker


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(("broker", "database"), VARIANTS)
def test_the_profile_turns_on_broker_worker_and_beat(bake: Bake, file: str, broker: str, database: str) -> None:
    project = bake(broker=broker, database=database)
    always = ALWAYS | ({"db"} if database == "postgresql" else set())
    always |= {"proxy"} if file == "compose.production.yaml" else set()

    assert compose(project, file)["services"].keys() == always
    assert compose(project, file, "broker")["services"].keys() == always | {
        broker_service(broker),
        "celery",
        "celery-long",
        "celery-beat",
    }


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(("broker", "database"), VARIANTS)
def test_env_turns_the_profile_on_exactly_when_a_broker_was_chosen(
    bake: Bake, file: str, broker: str, database: str
) -> None:
    project = bake(broker=broker, database=database)
    lines = (project / FILES[file]).read_text().splitlines()

    assert (f"COMPOSE_PROFILES={'' if broker == 'none' else 'broker'}") in lines


@pytest.mark.parametrize("broker", CHOICES["broker"])
def test_empty_means_eager_inside_compose_too(bake: Bake, broker: str) -> None:
    web = compose(bake(broker=broker), "compose.yaml", "broker", CELERY_BROKER_URL="", CELERY_RESULT_BACKEND="")[
        "services"
    ]["web"]

    assert (web["environment"]["CELERY_BROKER_URL"], web["environment"]["CELERY_RESULT_BACKEND"]) == ("", "")


@pytest.mark.parametrize("broker", [broker for broker in CHOICES["broker"] if broker != "none"])
@pytest.mark.parametrize("file", FILES)
def test_processes_in_containers_reach_the_broker_by_its_service_s_name(bake: Bake, file: str, broker: str) -> None:
    services = compose(bake(broker=broker), file, "broker")["services"]

    urls = {services[name]["environment"]["CELERY_BROKER_URL"] for name in ("web", *WORKERS, "celery-beat")}
    assert len(urls) == 1
    assert f"@{broker}:" in urls.copy().pop() or f"//{broker}:" in urls.pop()


@pytest.mark.parametrize(("broker", "database"), VARIANTS)
def test_development_needs_no_env_file(bake: Bake, tmp_path: Path, broker: str, database: str) -> None:
    """A checkout that was just cloned has none."""
    shutil.copytree(bake(broker=broker, database=database), tmp_path / "clone", ignore=shutil.ignore_patterns(".env"))

    assert "web" in compose(tmp_path / "clone", "compose.yaml")["services"]


@pytest.mark.parametrize(("broker", "database"), VARIANTS)
@pytest.mark.parametrize("file", FILES)
def test_ports_are_published_on_loopback_or_by_the_proxy_only(
    bake: Bake, file: str, broker: str, database: str
) -> None:
    services = compose(bake(broker=broker, database=database), file, "broker")["services"]
    ports = {name: port for name, service in services.items() for port in service.get("ports", [])}

    if file == "compose.yaml":
        assert {port["host_ip"] for port in ports.values()} == {"127.0.0.1"}
    else:
        assert ports.keys() == {"proxy"}


@pytest.mark.parametrize(("broker", "database"), VARIANTS)
@pytest.mark.parametrize("file", FILES)
def test_every_service_that_stays_has_a_healthcheck_and_can_be_scaled(
    bake: Bake, file: str, broker: str, database: str
) -> None:
    services = compose(bake(broker=broker, database=database), file, "broker")["services"]

    assert [name for name, service in services.items() if name != "migrate" and "healthcheck" not in service] == []
    assert [name for name, service in services.items() if "container_name" in service] == []


@pytest.mark.parametrize("file", FILES)
def test_workers_differ_only_in_the_queue_that_they_serve(bake: Bake, file: str) -> None:
    services = compose(bake(broker="redis"), file, "broker")["services"]
    commands = {name: services[name]["command"] for name in WORKERS}
    rest = [{key: value for key, value in services[name].items() if key != "command"} for name in WORKERS]

    assert {name: words[words.index("--queues") + 1] for name, words in commands.items()} == WORKERS
    assert rest[0] == rest[1]


@pytest.mark.parametrize("file", FILES)
def test_no_healthcheck_fails_because_the_broker_is_away(bake: Bake, file: str) -> None:
    services = compose(bake(broker="redis"), file, "broker")["services"]

    assert [services[name]["healthcheck"]["test"][-1] for name in (*WORKERS, "celery-beat")] == [
        "live" if file == "compose.yaml" else "live-or-end"  # the second kills what hangs, for the restart policy
    ] * 3
    assert "/health/web/" in services["web"]["healthcheck"]["test"][-1]


@pytest.mark.parametrize(("broker", "database"), VARIANTS)
def test_production_does_not_start_without_a_secret(bake: Bake, tmp_path: Path, broker: str, database: str) -> None:
    project = bake(broker=broker, database=database)
    complete = (project / ".env.production").read_text().replace("EMAIL_URL=", "EMAIL_URL=smtp://mail.example.com")
    example = (project / ".env.production.example").read_text()
    secrets = ["EMAIL_URL", *re.findall(r"^(\w+_(?:KEY|PASSWORD))=$", example, flags=re.MULTILINE)]

    def config(text: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "production.env"
        file.write_text(text)
        command = ["docker", "compose", "--env-file", str(file), "--file", "compose.production.yaml", "config"]
        environment = clean_environment(COMPOSE_PROFILES="broker")
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)

    refusals = {
        name: config(re.sub(rf"^{name}=.*$", f"{name}=", complete, flags=re.MULTILINE)).stderr for name in secrets
    }

    assert {"DJANGO_SECRET_KEY", "BROKER_PASSWORD"} <= set(secrets)
    assert config(complete).returncode == 0
    assert [name for name, words in refusals.items() if name not in words or WHERE not in words] == []
    assert WHERE in config(example).stderr


@pytest.mark.parametrize("hosts", [".example.com", "example.com, .example.org", "*", "*.example.com"])
def test_a_host_for_which_there_is_no_certificate_is_refused_with_a_sentence(
    bake: Bake, tmp_path: Path, hosts: str
) -> None:
    project = shutil.copytree(bake(), tmp_path / "project")

    done = run_production(project, "deploy", DJANGO_ALLOWED_HOSTS=hosts, EMAIL_URL="smtp://mail.example.com")

    assert done.returncode == 1
    assert "each has to be\na whole name, as in example.com,www.example.com." in done.stderr


def test_production_without_its_env_file_is_refused_with_a_sentence(bake: Bake, tmp_path: Path) -> None:
    project = shutil.copytree(bake(), tmp_path / "project", ignore=shutil.ignore_patterns(".env.production"))

    done = run_production(project, "deploy")

    assert done.returncode == 1
    assert done.stderr == "There is no .env.production: copy .env.production.example, and fill it in.\n"


def test_a_restore_of_nothing_is_refused_with_a_sentence(bake: Bake, tmp_path: Path) -> None:
    project = shutil.copytree(bake(), tmp_path / "project")
    mail = {"EMAIL_URL": "smtp://mail.example.com"}

    assert "make restore FILE=backups/..." in run_production(project, "restore", "", **mail).stderr
    assert "nothing was changed" in run_production(project, "restore", "backups/none", **mail).stderr


def test_a_backup_that_fails_leaves_nothing_behind(bake: Bake, tmp_path: Path) -> None:
    project = shutil.copytree(bake(database="postgresql"), tmp_path / "project")

    done = run_production(project, "backup", "backups/one", EMAIL_URL="smtp://mail.example.com")

    assert done.returncode != 0  # no database runs
    assert list((project / "backups").iterdir()) == []


def run_production(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run production.sh, as the project's Makefile does."""
    command = ["sh", "production.sh", *arguments]
    return subprocess.run(command, cwd=project, env=clean_environment(**variables), capture_output=True, text=True)
