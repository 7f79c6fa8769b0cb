"""Compose's own parser accepts both files for every answer, and the profile alone decides what runs beside web."""

import functools
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.baking import CHOICES, clean_environment
from tests.conftest import missing
from tests.servers import free_port

Bake = Callable[..., Path]
ALWAYS = {"web", "migrate"}
WORKERS = {"celery": "default", "celery-long": "long"}  # and the queue of each
MONITORING = {"prometheus", "alertmanager", "grafana"}
VARIANTS = list(itertools.product(CHOICES["broker"], CHOICES["database"]))
FREE_PORTS = {name: str(free_port()) for name in ("WEB_PORT", "BROKER_PORT", "DB_PORT", "HTTP_PORT", "HTTPS_PORT")}
WHERE = "set it in .env.production"
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
@pytest.mark.parametrize("broker", CHOICES["broker"])
def test_monitoring_is_a_profile_of_its_own(bake: Bake, file: str, broker: str) -> None:
    project = bake(broker=broker, monitoring="prometheus")
    services = compose(project, file, "broker", "monitoring")["services"]
    published = {name: port.get("host_ip") for name, service in services.items() for port in service.get("ports", [])}

    assert services.keys() - compose(project, file, "broker")["services"].keys() == MONITORING
    if file == "compose.yaml":
        assert published.keys() >= MONITORING
        assert set(published.values()) == {"127.0.0.1"}
    else:
        assert published == {"proxy": None, "grafana": "127.0.0.1"}
        assert {services[name]["read_only"] for name in MONITORING} == {True}


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
    project = bake(broker=broker, database=database, monitoring="prometheus")
    complete = (project / ".env.production").read_text().replace("EMAIL_URL=", "EMAIL_URL=smtp://mail.example.com")
    example = (project / ".env.production.example").read_text()
    secrets = ["EMAIL_URL", *re.findall(r"^(\w+_(?:KEY|PASSWORD|TOKEN))=$", example, flags=re.MULTILINE)]

    def config(text: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "production.env"
        file.write_text(text)
        command = ["docker", "compose", "--env-file", str(file), "--file", "compose.production.yaml", "config"]
        environment = clean_environment(COMPOSE_PROFILES="broker")
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)

    refusals = {
        name: config(re.sub(rf"^{name}=.*$", f"{name}=", complete, flags=re.MULTILINE)).stderr for name in secrets
    }

    assert {"DJANGO_SECRET_KEY", "BROKER_PASSWORD", "METRICS_TOKEN", "GRAFANA_PASSWORD"} <= set(secrets)
    assert config(complete).returncode == 0
    assert [name for name, words in refusals.items() if name not in words or WHERE not in words] == []
    assert WHERE in config(example).stderr


@pytest.mark.parametrize(
    "hosts",
    [".example.com", "example.com, .example.org", "example.com .example.org", ",.example.org", "*", "*.example.com"],
)
def test_a_host_for_which_there_is_no_certificate_is_refused_with_a_sentence(
    bake: Bake, tmp_path: Path, hosts: str
) -> None:
    project = shutil.copytree(bake(), tmp_path / "project")

    done = run_production(project, "deploy", DJANGO_ALLOWED_HOSTS=hosts, EMAIL_URL="smtp://mail.example.com")

    assert done.returncode == 1
    assert "each has to be\na whole name, as in example.com,www.example.com." in done.stderr


HOSTS = ["example.com,www.example.com", "example.com, www.example.com", " example.com www.example.com, "]


@pytest.mark.parametrize("hosts", HOSTS)
def test_the_proxy_and_the_probe_read_the_hosts_as_django_does(bake: Bake, hosts: str) -> None:
    """Their own lines, run with the variable as a person may write it. tests/test_settings.py of the project has Django's."""
    project = bake(database="postgresql")
    environment = {**os.environ, "DJANGO_ALLOWED_HOSTS": hosts}
    (reading,) = re.findall(r"HOSTS=(\$\(.*\))", (project / "Dockerfile").read_text())
    proxy = ["sh", "-c", f'printf %s "{reading}"'.replace('\\"', '"')]
    web = compose(project, "compose.production.yaml")["services"]["web"]
    probe = web["healthcheck"]["test"][-1].partition("urlopen(")[0] + "print(host)"

    assert subprocess.check_output(proxy, env=environment, text=True) == "example.com, www.example.com"
    assert subprocess.check_output([sys.executable, "-c", probe], env=environment, text=True) == "example.com\n"


def test_production_without_its_env_file_is_refused_with_a_sentence(bake: Bake, tmp_path: Path) -> None:
    project = shutil.copytree(bake(), tmp_path / "project", ignore=shutil.ignore_patterns(".env.production"))

    done = run_production(project, "deploy")

    assert done.returncode == 1
    assert done.stderr == "There is no .env.production. Copy .env.production.example and fill it in.\n"


def test_a_restore_of_nothing_is_refused_with_a_sentence(bake: Bake, tmp_path: Path) -> None:
    project = shutil.copytree(bake(), tmp_path / "project")
    mail = {"EMAIL_URL": "smtp://mail.example.com"}

    assert "make restore FILE=backups/..." in run_production(project, "restore", "", **mail).stderr
    assert "Nothing was changed" in run_production(project, "restore", "backups/none", **mail).stderr


def test_a_backup_that_fails_leaves_nothing_behind(bake: Bake, tmp_path: Path) -> None:
    project = shutil.copytree(bake(database="postgresql"), tmp_path / "project")

    done = run_production(project, "backup", "backups/one", EMAIL_URL="smtp://mail.example.com")

    assert done.returncode != 0  # no database runs
    assert list((project / "backups").iterdir()) == []


# A docker that starts nothing: it says what it was asked, lets the real one read the files, and names all as running.
DOCKER = """#!/bin/sh
echo "$*" >> "{log}"
case " $* " in
    *" config "*) PATH="{path}" exec docker "$@" ;;
    *" ps "*) echo "{running}" ;;
    *" exec "*) cat > /dev/null ;;
esac
"""
OWN_WORKER = """
  celery-own:
    <<: *worker{image}
    command: celery -A config worker --queues own --loglevel INFO
"""
OWN_IMAGE = "\n    image: ${COMPOSE_PROJECT_NAME}-own"  # one with a browser in it, for example


@pytest.fixture(params=["", OWN_IMAGE], ids=["the project's image", "another image"])
def with_a_worker_of_its_own(bake: Bake, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., list[str]]:
    """A project with a worker that its team has added: run production.sh there, and return what docker was asked."""
    project = shutil.copytree(bake(broker="redis", database="postgresql"), tmp_path / "project")
    file = project / "compose.production.yaml"
    worker = OWN_WORKER.format(image=request.param)
    file.write_text(file.read_text().replace("\n  celery-beat:\n", f"{worker}\n  celery-beat:\n", 1))
    (project / "backup").write_text("a backup")
    log = tmp_path / "log"
    running = "\n".join(compose(project, file.name, "broker")["services"])
    stub = tmp_path / "bin/docker"
    stub.parent.mkdir()
    stub.write_text(DOCKER.format(log=log, path=os.environ["PATH"], running=running))
    stub.chmod(0o755)

    def run(*arguments: str) -> list[str]:
        path = f"{stub.parent}{os.pathsep}{os.environ['PATH']}"
        done = run_production(project, *arguments, EMAIL_URL="smtp://mail.example.com", PATH=path)
        assert done.returncode == 0, done.stderr
        return log.read_text().splitlines()

    return run


def named(lines: list[str], command: str) -> list[str]:
    """The services that docker was asked to start or stop, in this order."""
    return [line.split()[-1] for line in lines if f" {command} " in line]


def test_a_deployment_starts_each_worker_also_one_that_a_team_has_added(
    with_a_worker_of_its_own: Callable[..., list[str]],
) -> None:
    started = named(with_a_worker_of_its_own("deploy"), "up")

    assert set(started[:2]) == {"redis", "db"}
    assert set(started[2:5]) == {*WORKERS, "celery-own"}
    assert started[5:] == ["web", "celery-beat", "proxy"]


def test_a_deployment_needs_no_proxy_and_no_broker(
    bake: Bake, tmp_path: Path, with_a_worker_of_its_own: Callable[..., list[str]]
) -> None:
    """Another machine may have them."""
    file = tmp_path / "project/compose.production.yaml"
    text = re.sub(r"\n  (proxy|redis):\n(?:    .*\n|\n(?=    ))+", "\n", file.read_text())
    file.write_text(re.sub(r"\n +redis:\n +condition: .*(\n +required: .*)?", "", text))

    started = named(with_a_worker_of_its_own("deploy"), "up")

    assert started[-2:] == ["web", "celery-beat"]
    assert {"proxy", "redis"} & set(started) == set()


def test_a_restore_stops_each_worker_also_one_that_a_team_has_added(
    with_a_worker_of_its_own: Callable[..., list[str]],
) -> None:
    lines = with_a_worker_of_its_own("restore", "backup")
    stopped = named(lines, "stop")
    swap = next(number for number, line in enumerate(lines) if "RENAME TO" in line)

    assert set(stopped) == {*WORKERS, "celery-own", "web", "celery-beat"}
    assert max(number for number, line in enumerate(lines) if " stop " in line) < swap
    assert set(named(lines[swap:], "up")) == set(stopped)


@pytest.mark.parametrize("file", FILES)
def test_each_kind_of_broker_has_a_volume_of_its_own(bake: Bake, file: str) -> None:
    volumes = {
        broker: {
            volume["source"]
            for volume in compose(bake(broker=broker), file, "broker")["services"][broker]["volumes"]
            if volume["type"] == "volume"
        }
        for broker in CHOICES["broker"]
        if broker != "none"
    }

    assert all(volumes.values())
    assert [pair for pair in itertools.combinations(volumes, 2) if volumes[pair[0]] & volumes[pair[1]]] == []


MISMATCHES = [("redis", "amqp://user:password@localhost:5672/vhost"), ("valkey", "amqps://host/"), ("rabbitmq", "rediss://host:6379/1")]  # fmt: skip


@pytest.fixture
def started(bake: Bake, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Bake a project, write these lines into .env and .env.production, run `make up` and `make deploy`.

    Return what each refuses with, by the name of the file. A docker that starts nothing stands in for the real one,
    which reads the files.
    """
    stub = tmp_path / "bin/docker"
    stub.parent.mkdir()
    stub.write_text(DOCKER.format(log=tmp_path / "log", path=os.environ["PATH"], running=""))
    stub.chmod(0o755)
    environment = clean_environment(PATH=f"{stub.parent}{os.pathsep}{os.environ['PATH']}")

    def start(broker: str, **lines: str) -> dict[str, str]:
        project = shutil.copytree(bake(broker=broker), tmp_path / "project")
        refusals = {}
        for name, target in {".env": "up", ".env.production": "deploy"}.items():
            file = project / name
            text = file.read_text()
            for variable, value in {"EMAIL_URL": "smtp://mail.example.com", **FREE_PORTS, **lines}.items():
                text = re.sub(f"^{variable}=.*$", lambda _, line=f"{variable}={value}": line, text, flags=re.M)  # type: ignore[misc]
            file.write_text(text)
            done = subprocess.run(["make", target], cwd=project, env=environment, capture_output=True, text=True)
            refusals[name] = done.stderr if done.returncode else ""
        return refusals

    return start


@pytest.mark.parametrize("quotes", ["", '"', "'"])
@pytest.mark.parametrize(("broker", "url"), MISMATCHES)
def test_make_up_and_deploy_refuse_a_broker_of_another_kind(
    started: Callable[..., dict[str, str]], broker: str, url: str, quotes: str
) -> None:
    scheme = url.partition(":")[0]
    for name, refusal in started(broker, CELERY_BROKER_URL=f"{quotes}{url}{quotes}").items():
        assert (
            f"CELERY_BROKER_URL in {name} starts with {scheme}:, but the broker in this project's Compose files is {broker}."
            in refusal
        )
        assert f"with broker={'rabbitmq' if scheme.startswith('amqp') else 'redis'}" in refusal
        assert "docs/switching.md" in refusal


def test_make_up_and_deploy_refuse_workers_without_a_url(started: Callable[..., dict[str, str]]) -> None:
    for name, refusal in started("redis", CELERY_BROKER_URL="").items():
        assert f"CELERY_BROKER_URL in {name} is empty" in refusal


@pytest.mark.parametrize("broker", [broker for broker in CHOICES["broker"] if broker != "none"])
def test_make_up_and_deploy_refuse_a_url_of_a_service_that_is_off(
    started: Callable[..., dict[str, str]], broker: str
) -> None:
    for name, refusal in started(broker, COMPOSE_PROFILES="").items():
        assert f"CELERY_BROKER_URL in {name} is set, but COMPOSE_PROFILES does not start {broker}" in refusal


@pytest.mark.parametrize(
    ("broker", "lines"),
    [
        ("none", {}),
        ("redis", {}),
        ("valkey", {}),
        ("rabbitmq", {}),
        ("redis", {"CELERY_BROKER_URL": "", "COMPOSE_PROFILES": ""}),
        ("valkey", {"CELERY_BROKER_URL": "rediss://:password@redis.example.com:6379/0"}),
        ("redis", {"CELERY_BROKER_URL": "sqs://"}),
    ],
)
def test_what_fits_is_not_refused(started: Callable[..., dict[str, str]], broker: str, lines: dict[str, str]) -> None:
    assert started(broker, **lines) == {".env": "", ".env.production": ""}


def test_in_production_the_url_of_another_machine_needs_no_service(started: Callable[..., dict[str, str]]) -> None:
    """The workers may run there too."""
    url = "amqps://user:password@rabbitmq.example.com/vhost"

    assert started("redis", CELERY_BROKER_URL=url, COMPOSE_PROFILES="")[".env.production"] == ""


@pytest.mark.parametrize("file", FILES)
def test_a_project_without_a_broker_in_compose_may_have_any_url(bake: Bake, tmp_path: Path, file: str) -> None:
    project = shutil.copytree(bake(broker="redis"), tmp_path / "project")
    (project / file).write_text(f"services:\n  web:\n    image: {project.name}\n")
    (project / FILES[file]).write_text("CELERY_BROKER_URL=amqp://host\n")
    command = ["sh", "deploy/check-broker.sh", FILES[file], "--env-file", FILES[file], "--file", file]

    assert subprocess.run(command, cwd=project, env=clean_environment(), capture_output=True, text=True).stderr == ""


def run_production(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run deploy/production.sh, as the project's Makefile does."""
    command = ["sh", "deploy/production.sh", *arguments]
    return subprocess.run(command, cwd=project, env=clean_environment(**variables), capture_output=True, text=True)


@pytest.mark.parametrize("file", FILES)
def test_a_worker_is_named_by_its_service(bake: Bake, file: str) -> None:
    services = compose(bake(broker="redis"), file, "broker")["services"]

    names = {name: re.search(r"--hostname (\S+)", " ".join(services[name]["command"])) for name in WORKERS}
    assert {name: found and found[1] for name, found in names.items()} == {name: f"{name}@%h" for name in WORKERS}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "password", ["p@ss", "p/ss", "p#ss", "p%41ss", "p:ss", "p?ss", 'p"ss', "p\\ss", "p ss", "p$ss"]
)
def test_the_database_s_password_may_have_any_character(bake: Bake, file: str, password: str) -> None:
    services = compose(bake(database="postgresql"), file, POSTGRES_PASSWORD=password)["services"]

    shown = password.replace("$", "$$")  # Compose's way of writing it
    assert services["db"]["environment"]["POSTGRES_PASSWORD"] == shown
    assert services["web"]["environment"]["PGPASSWORD"] == shown
    assert services["web"]["environment"]["DATABASE_URL"] == "postgresql://my_project@db:5432/my_project"


@pytest.mark.parametrize("password", ["p@ss", "p/ss", "p#ss", "p%41ss", "p?ss", 'p"ss', r"p\nss", "p ss", "p$ss"])
def test_a_password_that_a_broker_s_url_can_t_hold_is_refused(
    started: Callable[..., dict[str, str]], password: str
) -> None:
    refusals = started("rabbitmq", RABBITMQ_PASSWORD=f"'{password}'", BROKER_PASSWORD=f"'{password}'")

    assert "RABBITMQ_PASSWORD in .env has a character" in refusals[".env"]
    assert "BROKER_PASSWORD in .env.production has a character" in refusals[".env.production"]


@pytest.mark.parametrize("broker", ["redis", "valkey"])
def test_redis_and_valkey_passwords_are_looked_at_too(started: Callable[..., dict[str, str]], broker: str) -> None:
    assert "BROKER_PASSWORD in .env.production has" in started(broker, BROKER_PASSWORD="p/ss")[".env.production"]


@pytest.mark.parametrize("value", ["pa$word", '"pa$word"', "pa$"])
def test_a_dollar_that_compose_would_read_as_a_variable_is_refused(
    started: Callable[..., dict[str, str]], value: str
) -> None:
    refusals = started("rabbitmq", RABBITMQ_PASSWORD=value, BROKER_PASSWORD=value)

    assert all("into single quotes" in refusal and "PASSWORD" in refusal for refusal in refusals.values()), refusals


@pytest.mark.parametrize("password", ["Abc123-._~", "a+b=c:d"])
def test_a_password_that_a_url_can_hold_is_taken(started: Callable[..., dict[str, str]], password: str) -> None:
    refusals = started("rabbitmq", RABBITMQ_PASSWORD=password, BROKER_PASSWORD=password)

    assert refusals == {".env": "", ".env.production": ""}


def test_an_encoded_password_in_a_url_of_one_s_own_is_taken(started: Callable[..., dict[str, str]]) -> None:
    url = "redis://:p%2Fss@redis:6379/1"

    assert started("redis", BROKER_PASSWORD="p/ss", CELERY_BROKER_URL=url)[".env.production"] == ""


@pytest.mark.parametrize(
    ("variable", "target"), [("WEB_PORT", ".env"), ("BROKER_PORT", ".env"), ("HTTPS_PORT", ".env.production")]
)
def test_a_port_that_is_taken_is_named_with_its_variable(
    started: Callable[..., dict[str, str]], variable: str, target: str
) -> None:
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        ports = {**FREE_PORTS, variable: str(port)}
        refusal = started("redis", **ports)[target]

    assert f"Port {port} is taken" in refusal
    assert f"Set {variable} in {target} to a free one." in refusal


@pytest.mark.parametrize("target", ["up", "logs", "shell", "down", "deploy", "backup", "restore"])
def test_without_docker_one_sentence_says_so(bake: Bake, tmp_path: Path, target: str) -> None:
    for name in ("make", "sh", "sed", "tail", "date"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))

    done = subprocess.run(
        [tmp_path / "make", target], cwd=bake(), env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )

    assert done.stderr.count("Docker is not installed") == 1
    assert "not found" not in done.stderr


def test_ctrl_c_ends_the_logs_without_an_error(bake: Bake, tmp_path: Path) -> None:
    stub = tmp_path / "docker"
    stub.write_text('#!/bin/sh\ncase " $* " in *" logs "*) echo shown; exec sleep 60 ;; esac\n')
    stub.chmod(0o755)
    environment = clean_environment(PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    with subprocess.Popen(
        ["make", "logs"], cwd=bake(), env=environment, start_new_session=True, stdout=-1, stderr=-1, text=True
    ) as logs:
        assert logs.stdout
        assert logs.stdout.readline() == "shown\n"
        os.killpg(logs.pid, signal.SIGINT)
        _, errors = logs.communicate(timeout=30)

    assert "Error" not in errors


@pytest.mark.parametrize("variant", [("redis", "postgresql"), ("rabbitmq", "postgresql")])
def test_a_clone_has_the_same_passwords_before_and_after_its_env_file(
    bake: Bake, tmp_path: Path, variant: tuple[str, str]
) -> None:
    clone = shutil.copytree(bake(broker=variant[0], database=variant[1]), tmp_path / "clone")
    (clone / ".env").unlink()
    before, after = (
        {name: service.get("environment", {}) for name, service in compose(project, "compose.yaml")["services"].items()}
        for project in (clone, with_the_example(clone, tmp_path / "copied"))
    )

    assert before["db"] == after["db"]
    assert before["web"]["PGPASSWORD"] == after["web"]["PGPASSWORD"]


def with_the_example(clone: Path, folder: Path) -> Path:
    """A copy of the clone, with the .env that its user copies from the example."""
    copied = shutil.copytree(clone, folder)
    shutil.copy(copied / ".env.example", copied / ".env")
    return copied
