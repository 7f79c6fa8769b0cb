"""Every answer makes a project, or a refusal that explains."""

import ast
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.baking import CHOICES, QUESTIONS, TEMPLATE, bake_command, bake_into

Bake = Callable[..., Path]
CONTEXT = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
BAD_ANSWERS = {
    "project_name": ["", "two\nlines", "x" * 201],
    "project_slug": ["My-Project", "1st", "class", "json", "x" * 51, "../up"],
    "author_email": ["nobody", "a@b", "a b@example.com", "@example.com"],
    "timezone": ["Mars/Olympus", "utc+1"],
}


def test_every_question_says_what_follows_from_it() -> None:
    prompts = CONTEXT["__prompts__"]

    assert prompts.keys() == QUESTIONS.keys()
    assert all(len(prompt if isinstance(prompt, str) else prompt["__prompt__"]) > 30 for prompt in prompts.values())


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_is_explained_and_one_is_recommended(name: str) -> None:
    prompts = CONTEXT["__prompts__"][name]

    assert list(prompts) == ["__prompt__", *CHOICES[name]]
    assert any("recommended" in prompts[choice] for choice in CHOICES[name])


@pytest.mark.parametrize(("name", "choice"), [(name, choice) for name in CHOICES for choice in CHOICES[name]])
def test_every_choice_makes_a_project(bake: Bake, name: str, choice: str) -> None:
    assert (bake(**{name: choice}) / "manage.py").is_file()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD_ANSWERS.items() for value in values])
def test_a_bad_answer_is_refused_by_name_and_leaves_nothing(tmp_path: Path, name: str, value: str) -> None:
    answers = {"project_slug": "bad_answer", name: value}

    done = bake_command(tmp_path, *(f"{name}={value}" for name, value in answers.items()))

    assert done.returncode == 1
    assert f"ERROR: {name}" in done.stderr
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert not (tmp_path.parent / "up").exists()


def test_an_empty_slug_never_writes_into_the_folder_it_is_baked_in(tmp_path: Path) -> None:
    done = bake_command(tmp_path, "project_slug=", "--overwrite-if-exists")

    assert done.returncode == 1
    assert "ERROR: project_slug is empty" in done.stderr
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]


def test_all_bad_answers_are_refused_at_once(tmp_path: Path) -> None:
    done = bake_command(tmp_path, "project_slug=class", "author_email=nobody", "timezone=Mars/Olympus")

    assert [line.split()[1] for line in done.stderr.splitlines() if line.startswith("ERROR: ")][:3] == [
        "project_slug",
        "author_email",
        "timezone",
    ]


def test_the_slug_follows_from_the_name(tmp_path: Path) -> None:
    assert bake_into(tmp_path, project_name="Grüne Äpfel & Co").name == "grune_apfel_co"


@pytest.mark.parametrize("yes", [True, "yes", "y", "1"])
@pytest.mark.parametrize("no", [False, "no", "n", "0"])
def test_a_yes_or_no_is_understood_however_it_is_written(bake: Bake, yes: Any, no: Any) -> None:
    assert (bake(devcontainer=yes) / ".devcontainer").is_dir()
    assert not (bake(devcontainer=no) / ".devcontainer").exists()


@pytest.mark.parametrize("name", ["Bob's App", 'A "smart" app', r"C:\new", "100 % <b>fun</b> & more", "日本 🚀"])
def test_a_name_arrives_unharmed(tmp_path: Path, name: str) -> None:
    project = bake_into(tmp_path, project_name=name, description=name, author_name=name, project_slug="odd_name")
    settings = ast.parse((project / "config/settings/base.py").read_text(encoding="utf-8"))
    metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    values = [
        n.value for n in settings.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "PROJECT_NAME"
    ]
    assert [ast.literal_eval(value) for value in values] == [name]
    assert (metadata["description"], metadata["authors"][0]["name"]) == (name, name)
