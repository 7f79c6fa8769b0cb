"""Nothing is named that nothing reads: variables, questions and Make targets. Dependencies are in tests/projects."""

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from dotenv import dotenv_values

from tests.baking import CHOICES, TEMPLATE, rendered

Bake = Callable[..., Path]
VARIANTS = list(itertools.product(CHOICES["broker"], CHOICES["database"]))
BY_COMPOSE_ITSELF = {"COMPOSE_PROFILES"}
PROSE = (
    "*.md",
    "docs/*.md",
    ".github/workflows/*.yml",
    ".gitlab-ci.yml",
    ".devcontainer/*.json",
    ".ci/run",
    "Makefile",
)


def read_by_settings(project: Path) -> set[str]:
    """The variables that the settings read, and those that a module takes from the environment by a constant."""
    texts = [file.read_text() for file in (project / "config/settings").glob("*.py")]
    return {name for text in texts for name in re.findall(r'env\.\w+\(\s*"(\w+)"', text)}


def read_by_compose(file: Path) -> set[str]:
    """The variables that a Compose file puts in, as ``${NAME}`` with or without what Compose allows behind a name."""
    return set(re.findall(r"(?<!\$)\$\{(\w+)", file.read_text()))


@pytest.mark.parametrize(("broker", "database"), VARIANTS)
def test_every_variable_of_the_examples_is_read(bake: Bake, broker: str, database: str) -> None:
    project = bake(broker=broker, database=database)
    development = read_by_settings(project) | read_by_compose(project / "compose.yaml") | BY_COMPOSE_ITSELF
    production = read_by_compose(project / "compose.production.yaml") | BY_COMPOSE_ITSELF

    assert dotenv_values(project / ".env.example").keys() - development == set()
    assert dotenv_values(project / ".env.production.example").keys() - production == set()


def of_kubernetes(project: Path) -> set[str]:
    """What the manifests set, and what they leave to .env.kubernetes."""
    files = [*project.glob("deploy/kubernetes/*/settings.env"), project / ".env.kubernetes.example"]
    return {name for file in files for name in dotenv_values(file)}


@pytest.mark.parametrize(("broker", "database"), VARIANTS)
def test_every_variable_for_kubernetes_is_read(bake: Bake, broker: str, database: str) -> None:
    project = bake(broker=broker, database=database, deployment="kubernetes")
    texts = [file.read_text() for file in project.rglob("*.py")] + [
        file.read_text() for file in project.glob("deploy/kubernetes/*/*.yaml")
    ]
    unread = {name for name in of_kubernetes(project) if not any(name in text for text in texts)}

    # Celery itself reads this one.
    assert unread - {"REMAP_SIGTERM"} == set()


def named_in(file: Path) -> set[str]:
    """The variables of an example, also those whose default stands in a comment."""
    return {*dotenv_values(file), *re.findall(r"^# ([A-Z_]+)=", file.read_text(), re.MULTILINE)}


@pytest.mark.parametrize(("broker", "database"), VARIANTS)
def test_every_variable_that_is_read_is_in_an_example(bake: Bake, broker: str, database: str) -> None:
    project = bake(broker=broker, database=database)
    elsewhere = of_kubernetes(bake(broker=broker, database=database, deployment="kubernetes"))
    development, production = (named_in(project / f"{name}.example") for name in (".env", ".env.production"))

    assert read_by_settings(project) - development - production - elsewhere == set()
    assert read_by_compose(project / "compose.yaml") - development == set()
    assert read_by_compose(project / "compose.production.yaml") - production == set()


@pytest.mark.parametrize("place", ["template", "project", "kubernetes"])
def test_every_make_target_is_listed_and_used(bake: Bake, place: str) -> None:
    folder = TEMPLATE if place == "template" else bake(deployment="kubernetes")
    makefile = (folder / ("deploy/kubernetes/kubernetes.mk" if place == "kubernetes" else "Makefile")).read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    targets = set(phony[1].split())
    prose = "\n".join(file.read_text() for pattern in PROSE for file in folder.glob(pattern))
    used = set(re.findall(r"\bmake (?:-\S+ )*([a-z-]+)", prose)) | {
        target
        for line in re.findall(r"^[a-z-]+: (?!export)(.*?)(?:##.*)?$", makefile, re.MULTILINE)
        for target in line.split()
    }

    assert targets - used == set()
    assert set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) == targets


def test_every_question_and_every_private_variable_is_used() -> None:
    context = (TEMPLATE / "cookiecutter.json").read_text()
    names = [name for name in json.loads(context) if name != "__prompts__" and not re.match(r"_[^_]", name)]
    project = TEMPLATE / "{{cookiecutter.project_slug}}"
    texts = [context, *(file.read_text() for folder in ("hooks", "templates") for file in (TEMPLATE / folder).rglob("*.*") if file.suffix != ".pyc")]  # fmt: skip
    texts += [(TEMPLATE / "answer_validators.py").read_text()]
    texts += [str(file) + (project / file).read_text() for file in rendered(project)]
    everything = "\n".join(texts)

    assert [
        name for name in names if f"cookiecutter.{name}" not in everything and f'answers["{name}"]' not in everything
    ] == []
