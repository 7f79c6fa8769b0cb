"""Baking again: the same answers make the same project, other answers change what they must, and nothing is lost."""

import difflib
import itertools
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cookiecutter import prompt
from cookiecutter.main import cookiecutter
from dotenv import dotenv_values

from tests.baking import CHOICES, TEMPLATE, bake_command, bake_into, rendered

Bake = Callable[..., Path]
SAME_TWICE: list[dict[str, Any]] = [
    {},
    {"broker": "rabbitmq", "database": "postgresql", "ci": "gitlab", "license": "GPL-3.0", "django_version": "6.0"},
    {"broker": "valkey", "ci": "none", "devcontainer": False, "project_name": 'Tides & "Moons" 🌊', "license": "MIT"},
]
# What a change of broker changes, from none, for these reasons.
BY_BROKER = {
    ".cookiecutter.json",  # the answers
    ".env.example",  # the broker's URL, its port and the profile
    ".env.production.example",
    ".github/workflows/ci.yml",  # the tests run through a worker, too
    "README.md",  # how to start the broker
}
# Compose has a redis service that is off without a broker, and docs/broker.md says how to start it.
BY_BROKER_S_SERVICE = {"compose.yaml", "compose.production.yaml", "docs/broker.md"}
CHANGED = {
    "redis": BY_BROKER,
    "valkey": BY_BROKER | BY_BROKER_S_SERVICE,
    "rabbitmq": BY_BROKER | BY_BROKER_S_SERVICE | {"pyproject.toml"},  # it needs no client of Redis
}


def tracked(project: Path) -> dict[str, tuple[bytes, int]]:
    """The content and the mode of every file that git would track."""
    return {
        file.as_posix(): ((project / file).read_bytes(), stat.S_IMODE((project / file).stat().st_mode))
        for file in rendered(project)
    }


@pytest.mark.parametrize("answers", SAME_TWICE, ids=["default", "most", "least"])
def test_two_bakes_with_the_same_answers_are_the_same_in_every_tracked_file(
    bake: Bake, tmp_path: Path, answers: dict[str, Any]
) -> None:
    assert tracked(bake(**answers)) == tracked(bake_into(tmp_path, **answers))


@pytest.mark.parametrize("broker", CHANGED)
def test_a_change_of_broker_changes_these_files(bake: Bake, tmp_path: Path, broker: str) -> None:
    before = tracked(bake())
    project = tmp_path / "my_project"
    shutil.copytree(bake(), project)

    bake_into(tmp_path, broker=broker)

    after = tracked(project)
    assert {name for name in before | after if before.get(name) != after.get(name)} == CHANGED[broker]
    assert after == tracked(bake(broker=broker))


def test_the_documents_show_what_a_change_of_broker_changes(bake: Bake) -> None:
    page = (TEMPLATE / "docs/baking-again.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```diff\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    without, redis = ((project / ".env.example").read_text().splitlines() for project in (bake(), bake(broker="redis")))
    diff = difflib.unified_diff(without, redis, "a/.env.example", "b/.env.example", n=0, lineterm="")

    assert shown == ["".join(f"{line}\n" for line in diff)]
    assert {name for name in BY_BROKER if f"`{name}`" not in page} == set()


def values_about_the_broker(file: Path) -> dict[str, str]:
    """What a file of variables says of the broker, with one word for each secret."""
    values = {name: value or "" for name, value in dotenv_values(file, interpolate=False).items()}
    password = values.get("RABBITMQ_PASSWORD") or "no password"
    names = [name for name in values if re.match("CELERY_|RABBITMQ_|BROKER_PORT|COMPOSE_PROFILES", name)]
    return {name: values[name].replace(password, "secret") for name in names}


@pytest.mark.parametrize(("old", "new"), list(itertools.permutations(CHOICES["broker"], 2)))
def test_after_the_lines_that_the_page_deletes_a_bake_writes_those_of_the_new_broker(
    bake: Bake, tmp_path: Path, old: str, new: str
) -> None:
    project = bake_into(tmp_path, broker=old)
    page = (project / "docs/switching.md").read_text(encoding="utf-8")
    ((lines, *files),) = re.findall(r"^sed -i.old -E '/(.*)/d' (\S+) (\S+)$", page, re.MULTILINE)
    for file in files:
        text = (project / file).read_text(encoding="utf-8")
        (project / file).write_text(re.sub(f"{lines}.*\n", "", text, flags=re.MULTILINE), encoding="utf-8")

    bake_into(tmp_path, broker=new)

    assert files == [".env", ".env.production"]
    assert [values_about_the_broker(project / file) for file in files] == [
        values_about_the_broker(bake(broker=new) / file) for file in files
    ]


@pytest.mark.parametrize("broker", CHOICES["broker"])
def test_the_page_about_switching_has_the_lines_that_a_bake_writes(bake: Bake, broker: str) -> None:
    page = (bake(broker=broker) / "docs/switching.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    shown = [
        dict(line.split("=", 1) for line in block.splitlines())
        for block in blocks
        if block.startswith(("CELERY_", "RABBITMQ_"))
    ]

    for file in (".env", ".env.production"):
        values = values_about_the_broker(bake(broker=broker) / file)
        if broker == "none":
            values = {name: value for name, value in values.items() if not value}
        wanted = {name: value.replace("secret", "PASSWORD") for name, value in values.items()}
        assert wanted in shown


def test_what_an_answer_no_longer_asks_for_is_removed_and_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    project = bake_into(tmp_path)
    mine = project / ".github/dependabot.yml"
    mine.write_text("mine\n")

    capfd.readouterr()
    bake_into(tmp_path, ci="gitlab", devcontainer=False)

    assert mine.read_text() == "mine\n"
    assert not (project / ".github/workflows").exists()
    assert not (project / ".devcontainer").exists()
    assert capfd.readouterr().out.splitlines() == [
        "Removed .devcontainer/devcontainer.json, because devcontainer is now false.",
        'Removed .github/workflows/ci.yml, because ci is now "gitlab".',
        "Kept .github, because it contains files of your own.",
    ]


def test_a_file_that_no_bake_has_made_is_neither_written_over_nor_removed(tmp_path: Path) -> None:
    mine = [tmp_path / "my_project" / name for name in (".github/workflows/ci.yml", ".gitlab-ci.yml")]
    for file in (*mine, tmp_path / "my_project/.devcontainer/devcontainer.json"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("mine\n")

    for _ in range(2):
        project = bake_into(tmp_path, ci="none", devcontainer=False)

    assert [file.read_text() for file in mine] == ["mine\n", "mine\n"]
    assert (project / ".devcontainer/devcontainer.json").read_text() == "mine\n"


@pytest.mark.parametrize("answers", SAME_TWICE[1:], ids=["most", "least"])
def test_the_answers_that_the_project_keeps_make_the_same_project(
    bake: Bake, tmp_path: Path, answers: dict[str, Any]
) -> None:
    project = bake(**answers)
    command = [sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--output-dir", str(tmp_path / "out")]
    environment = {**os.environ, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}

    subprocess.run(
        [*command, "--replay-file", str(project / ".cookiecutter.json")],
        env=environment,
        stdin=subprocess.DEVNULL,
        check=True,
    )

    assert tracked(tmp_path / "out" / project.name) == tracked(project)


def test_an_answer_that_is_changed_in_the_file_changes_what_follows_from_it(bake: Bake, tmp_path: Path) -> None:
    changed = {"broker": "rabbitmq", "database": "postgresql", "django_version": "6.0", "project_slug": "other"}
    content = json.loads((bake() / ".cookiecutter.json").read_text())
    content["cookiecutter"] |= changed
    (tmp_path / "answers.json").write_text(json.dumps(content))

    done = bake_command(tmp_path, "--replay-file", str(tmp_path / "answers.json"))

    assert done.returncode == 0, done.stderr
    assert tracked(tmp_path / "other") == tracked(bake(**changed))


def test_the_answers_are_the_defaults_of_another_bake(tmp_path: Path) -> None:
    """Typed answers are not rendered as Jinja; the defaults of a configuration are."""
    name = '{{ 7 * 7 }} {% if %} {# "no" #} \\n 🍏'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prompt, "read_user_variable", lambda key, default, *_: name if key == "project_name" else default)
        patch.setattr(prompt, "read_user_choice", lambda _, choices, *__: choices[0])
        patch.setattr(prompt, "read_user_yes_no", lambda _, default, *__: default)
        patch.setenv("HOME", str(tmp_path))
        answers = {"project_slug": "first"}
        first = Path(cookiecutter(str(TEMPLATE), extra_context=answers, output_dir=str(tmp_path), default_config=True))
    kept = first / ".cookiecutter.json"

    done = bake_command(tmp_path, "project_slug=second", "broker=redis", "--config-file", str(kept))

    assert done.returncode == 0, done.stderr
    second = json.loads((tmp_path / "second/.cookiecutter.json").read_text(encoding="utf-8"))["cookiecutter"]
    assert json.loads(kept.read_text(encoding="utf-8"))["cookiecutter"]["project_name"] == name
    assert (second["project_name"], second["broker"]) == (name, "redis")


def test_the_answers_that_are_kept_hold_no_secret_and_no_path_of_this_machine(bake: Bake) -> None:
    project = bake(broker="rabbitmq", database="postgresql")
    text = (project / ".cookiecutter.json").read_text()
    secrets = re.findall(r"(?:PASSWORD|SECRET_KEY)=(\S{20,})", (project / ".env").read_text())

    assert len(secrets) == 3
    assert [secret for secret in secrets if secret in text] == []
    assert [path for path in (str(TEMPLATE), str(project.parent), str(Path.home()) + os.sep) if path in text] == []
