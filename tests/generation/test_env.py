"""The hook writes .env once, with secrets of its own, and never loses a line of it."""

import os
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dotenv import dotenv_values

from tests.baking import CHOICES, bake_command, bake_into

Bake = Callable[..., Path]
EXPECTED = {
    "none": {"CELERY_BROKER_URL": "", "CELERY_RESULT_BACKEND": "", "COMPOSE_PROFILES": ""},
    "redis": {
        "CELERY_BROKER_URL": "redis://localhost:6379/1",
        "CELERY_RESULT_BACKEND": "redis://localhost:6379/2",
        "COMPOSE_PROFILES": "broker",
    },
    "valkey": {
        "CELERY_BROKER_URL": "redis://localhost:6379/1",
        "CELERY_RESULT_BACKEND": "redis://localhost:6379/2",
        "COMPOSE_PROFILES": "broker",
    },
    "rabbitmq": {
        "CELERY_BROKER_URL": "amqp://my_project:SECRET@localhost:5672/my_project",
        "CELERY_RESULT_BACKEND": "",
        "COMPOSE_PROFILES": "broker",
    },
}
FILES = [".env", ".env.production"]


@pytest.mark.parametrize("broker", CHOICES["broker"])
def test_env_names_the_broker(bake: Bake, broker: str) -> None:
    variables = dotenv_values(bake(broker=broker) / ".env")
    secret = variables.get("RABBITMQ_PASSWORD") or "SECRET"

    assert {name: str(variables[name]).replace(secret, "SECRET") for name in EXPECTED[broker]} == EXPECTED[broker]


def test_uncommenting_three_lines_turns_the_broker_on(bake: Bake, tmp_path: Path) -> None:
    text = (bake(broker="none") / ".env").read_text()
    edited = tmp_path / ".env"
    edited.write_text(re.sub(r"^# (CELERY_\w+=|COMPOSE_PROFILES=)", r"\1", text, flags=re.MULTILINE))

    assert EXPECTED["redis"].items() <= dotenv_values(edited).items()


def test_with_postgresql_env_names_the_database(bake: Bake) -> None:
    variables = dotenv_values(bake(database="postgresql") / ".env")

    password = variables["POSTGRES_PASSWORD"]
    assert variables["DATABASE_URL"] == f"postgresql://my_project:{password}@localhost:5432/my_project"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes of this kind")
@pytest.mark.parametrize("file", FILES)
def test_env_is_for_its_owner_only(bake: Bake, file: str) -> None:
    assert stat.S_IMODE((bake() / file).stat().st_mode) == 0o600


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("broker", CHOICES["broker"])
@pytest.mark.parametrize("database", CHOICES["database"])
def test_the_example_names_the_same_variables_and_holds_no_secret(
    bake: Bake, file: str, broker: str, database: str
) -> None:
    project = bake(broker=broker, database=database)
    variables, example = dotenv_values(project / file), dotenv_values(project / f"{file}.example")
    secrets = {name for name in example if "change-me" in str(example[name])}

    assert variables.keys() == example.keys()
    assert "DJANGO_SECRET_KEY" in secrets
    assert all(variables[name] == example[name] for name in example.keys() - secrets)
    assert all(variables[name] != example[name] for name in secrets)
    assert "change-me" not in (project / file).read_text()


def test_each_bake_has_secrets_of_its_own(bake: Bake, tmp_path: Path) -> None:
    ours, theirs = dotenv_values(bake() / ".env"), dotenv_values(bake_into(tmp_path) / ".env")

    assert ours["DJANGO_SECRET_KEY"] != theirs["DJANGO_SECRET_KEY"]
    assert len(str(ours["DJANGO_SECRET_KEY"])) >= 50


def test_no_secret_is_left_in_the_replay_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert bake_command(home, "broker=rabbitmq", "database=postgresql").returncode == 0
    secrets = {value for file in FILES for name, value in dotenv_values(home / "my_project" / file).items() if "PASSWORD" in name or "SECRET" in name}  # fmt: skip

    replays = list(home.glob(".cookiecutter_replay/*.json"))
    assert len(secrets) == 6
    assert replays
    assert not [secret for replay in replays for secret in secrets if str(secret) in replay.read_text()]


def test_a_second_bake_keeps_every_line_and_adds_what_is_missing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    project = bake_into(tmp_path)
    env = project / ".env"
    mine = "# my own note\nDJANGO_SECRET_KEY=mine\n\nMY_OWN=1\n\nCOMPOSE_PROFILES=broker\n"
    env.write_text(mine)

    bake_into(tmp_path, broker="redis")

    text = env.read_text()
    assert text.startswith(mine.rstrip())
    assert dotenv_values(env)["DJANGO_SECRET_KEY"] == "mine"
    assert text.count("COMPOSE_PROFILES=") == 1
    assert dotenv_values(env)["CELERY_BROKER_URL"] == "redis://localhost:6379/1"
    assert "added" in capfd.readouterr().out


def test_a_second_bake_with_nothing_missing_leaves_the_file_alone(tmp_path: Path) -> None:
    env = bake_into(tmp_path) / ".env"
    os.utime(env, (1, 1))

    bake_into(tmp_path)

    assert env.stat().st_mtime == 1


def test_a_password_that_is_there_is_used_for_the_url_that_is_missing(tmp_path: Path) -> None:
    env = bake_into(tmp_path, broker="rabbitmq") / ".env"
    env.write_text("RABBITMQ_PASSWORD=mine\n")

    bake_into(tmp_path, broker="rabbitmq")

    assert dotenv_values(env)["CELERY_BROKER_URL"] == "amqp://my_project:mine@localhost:5672/my_project"


def test_lines_end_as_on_unix(bake: Bake) -> None:
    assert b"\r" not in (bake() / ".env").read_bytes()
