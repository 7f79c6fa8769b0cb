"""Every answer makes a project, or is refused with an explanation."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from cookiecutter.exceptions import FailedHookException
from cookiecutter.main import cookiecutter
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

import answer_validators
from tests import hostile
from tests.baking import CHOICES, PROJECT, QUESTIONS, TEMPLATE, bake_command, bake_into, clean_environment

Bake = Callable[..., Path]
CONTEXT = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
BAD_ANSWERS = {
    "project_name": ["", " ", "two\nlines", "bell\a", "x" * 201],
    "project_slug": ["My-Project", "1st", "class", "match", "json", "x" * 51, "ends_", "a___b", "con"],
    "author_email": [
        "nobody",
        "a@b",
        "a b@example.com",
        "@example.com",
        "a@b@example.com",
        "Ada <ada@example.com>",
        "ada@example.com.",
        "ada@example..com",
        f"{'x' * 310}@example.com",
        'a"""\\',
    ],
    "timezone": ["Mars/Olympus", "europe/paris", "Europe", "localtime", "Factory", "posix/UTC", "../UTC", ""],
}
TAKEN = [
    "base",
    "background",
    "config",
    "docs",
    "tests",
    "manage",
    "celery",
    "django",
    "redis",
    "health_check",
    "kombu",
]


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
def test_a_bad_answer_is_refused_by_name_and_leaves_nothing(name: str, value: str) -> None:
    with hostile.baked({"project_slug": "bad_answer", name: value}, typed=False) as bake:
        hostile.check_refusal(bake)

        assert [complaint.split()[1] for complaint in bake.complaints] == [name]


@pytest.mark.parametrize("slug", ["", "../up", "a/b/c", "x" * 300])
def test_a_slug_that_can_be_no_folder_leads_nowhere(tmp_path: Path, slug: str) -> None:
    """cookiecutter makes the folder, and the ones above it, before it asks the hook."""
    done = bake_command(tmp_path / "here", f"project_slug={slug}", "--overwrite-if-exists")

    assert done.returncode == 1
    assert done.stderr.startswith(f"ERROR: project_slug '{slug[:50]}")
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    assert not [path for path in (tmp_path / "here").iterdir() if not path.name.startswith(".cookiecutter")]


@pytest.mark.parametrize("slug", TAKEN)
def test_a_slug_that_the_project_needs_itself_is_refused(slug: str) -> None:
    with hostile.baked({"project_slug": slug}, typed=False) as bake:
        hostile.check_refusal(bake)

        assert bake.complaints[0].endswith(f"Try {slug}_project.")


def test_a_slug_that_the_project_imports_is_refused() -> None:
    """A package is not always imported by the name that it is installed by: templates/packages.txt has both."""
    texts = [file.read_text(encoding="utf-8") for file in PROJECT.rglob("*.py")]
    imported = {name for text in texts for name in re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE)}

    assert {"celery", "health_check"} <= imported
    assert imported - answer_validators.taken() - sys.stdlib_module_names == set()


@pytest.mark.parametrize("slug", ["pg_app", "public", "template1"])
def test_a_slug_that_postgresql_keeps_to_itself_goes_with_sqlite_only(slug: str) -> None:
    with hostile.baked({"project_slug": slug, "database": "postgresql"}, typed=False) as bake:
        assert f"project_slug {slug!r} is reserved by PostgreSQL." in bake.complaints[0]
    hostile.check({"project_slug": slug, "database": "sqlite"}, typed=False, good=True)


def test_a_refusal_comes_before_what_cookiecutter_says(tmp_path: Path) -> None:
    done = bake_command(tmp_path, "timezone=europe/pari")

    assert done.stderr.startswith(
        "ERROR: timezone 'europe/pari' is not a time zone of the IANA database. Try Europe/Paris or UTC.\n"
    )


@pytest.mark.parametrize(("name", "meant"), [("brokr", "broker"), ("Time_Zone", "timezone")])
def test_an_unknown_name_is_refused_and_the_right_one_suggested(tmp_path: Path, name: str, meant: str) -> None:
    done = bake_command(tmp_path, f"{name}=UTC")

    assert done.returncode == 1
    assert done.stderr.startswith(f"ERROR: Unknown answer '{name}'. Did you mean '{meant}'?\n")
    assert not (tmp_path / "my_project").exists()


def test_an_unknown_name_like_no_other_is_answered_with_all_names(tmp_path: Path) -> None:
    expected = f"Unknown answer 'zzz'. The template asks for {', '.join(sorted(QUESTIONS))}."

    assert expected in bake_command(tmp_path, "zzz=1").stderr


@click.command()
@click.option("--extra-context")
def other_command(extra_context: str) -> None:
    """A command that is not cookiecutter's: its options mean something else."""
    assert answer_validators.given() == []


def test_only_answers_of_the_cookiecutter_command_are_looked_at(tmp_path: Path) -> None:
    """The Python API drops an unknown name, and no public function says so: a caller has to know the names."""
    other_command(["--extra-context", "brokr"], standalone_mode=False)

    made = cookiecutter(
        str(TEMPLATE), no_input=True, extra_context={"brokr": "redis"}, output_dir=tmp_path, default_config=True
    )

    assert json.loads(Path(made, ".cookiecutter.json").read_text())["cookiecutter"]["broker"] == "none"


def test_private_names_and_a_configuration_for_many_templates_are_no_mistakes(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("default_context: {github_username: ada, author_name: Countess}")

    done = bake_command(tmp_path, "--config-file", str(config), "_template=gh:ada/elsewhere", "__mine=1")

    assert done.returncode == 0, done.stderr
    assert "Countess" in (tmp_path / "my_project/LICENSE").read_text(encoding="utf-8")


def test_what_only_the_api_can_answer_is_refused_in_words_too(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """cookiecutter makes the number 0 a text, which would count as true."""
    answers: dict[str, Any] = {
        "devcontainer": 0,
        "project_name": None,
        "project_slug": None,
        "author_email": None,
        "timezone": {},
    }
    with pytest.raises(FailedHookException):
        bake_into(tmp_path, **answers)

    lines = capfd.readouterr().err.splitlines()
    assert {line.split()[1] for line in lines if line.startswith("ERROR: ")} >= answers.keys()
    assert not list(tmp_path.iterdir())


@settings(max_examples=500)
@given(
    st.emails()
    | st.builds(
        "{}@{}".format, st.text("aZ0._-+'\"\\ é\x01\u017f", max_size=8), st.text("aZ0.-[]:xné\u2028", max_size=12)
    )
    | st.sampled_from(
        ['"x"@localhost', "a@[::1]", "a@[1.2.3.4]", f"a@[{'0000:' * 6}255.255.255.255]", "a@b.c", "a@-b.cd"]
    )
)
def test_an_address_that_django_accepts_is_accepted(address: str) -> None:
    """Except those with a blank, a control character or a second @ in quotes, which are not in use."""
    try:
        validate_email(address)
    except ValidationError:
        return
    odd = re.search(answer_validators.UNFIT, address) or re.search(r"\s|@.*@", address)

    assert (answer_validators.email({"author_email": address}) == []) == (odd is None)


def bake_typed(folder: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    """Bake as a person does who types an answer a line, and presses Return for the rest."""
    return subprocess.run(
        [sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--output-dir", str(folder)],
        env=clean_environment(HOME=str(folder), USERPROFILE=str(folder)) | {"PYTHONUTF8": "1"},
        input="\n".join([*lines, *[""] * len(QUESTIONS)]),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_typed_answers_arrive_as_they_are(tmp_path: Path) -> None:
    """Through the real prompts, where what looks like Jinja is text."""
    odd = r"""{{ 7*7 }} {% if %} {# "'''\ `$x` é 🚀 <b> & #"""

    done = bake_typed(tmp_path, odd, "odd_name", odd, odd, "ada@example.com", "Europe/Paris")

    assert done.returncode == 0, done.stderr
    hostile.check_project(
        tmp_path / "odd_name",
        {name: default[0] if isinstance(default, list) else default for name, default in QUESTIONS.items()}
        | {"project_name": odd, "project_slug": "odd_name", "description": odd, "author_name": odd}
        | {"timezone": "Europe/Paris"},
    )


def test_bad_typed_answers_are_refused_at_once(tmp_path: Path) -> None:
    done = bake_typed(tmp_path, "{{", "class", "{%", "{#", "nobody", "Mars")

    assert done.returncode == 1
    named = [line.split()[1] for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    assert named[:3] == ["project_slug", "author_email", "timezone"]
    assert not (tmp_path / "class").exists()


def test_all_bad_answers_are_refused_at_once(tmp_path: Path) -> None:
    done = bake_command(tmp_path, "project_slug=class", "author_email=nobody", "timezone=Mars/Olympus")

    assert [line.split()[1] for line in done.stderr.splitlines() if line.startswith("ERROR: ")][:3] == [
        "project_slug",
        "author_email",
        "timezone",
    ]


def test_the_slug_follows_from_the_name(tmp_path: Path) -> None:
    assert bake_into(tmp_path, project_name="Grüne Äpfel & Co").name == "grune_apfel_co"


ODD_NAMES = ["123 Go", "Django", "🎉", "x" * 300, "class", "match", "con", "public", "pg_x", "json", "celery", "-", "a__b", "", "Ж" * 60, "new\nline"]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_slug_that_is_offered_is_not_refused(name: str) -> None:
    slug = answer_validators.default_slug(name)

    assert answer_validators.slug({"project_slug": slug, "database": "postgresql"}) == []


def test_a_refusal_prints_the_command_that_keeps_the_other_answers(tmp_path: Path) -> None:
    good = ['project_name=It\'s {me} & "you"', "broker=redis", "devcontainer=no", "timezone=Asia/Tokyo"]

    refused = bake_command(tmp_path, *good, "project_slug=Bad Slug", "author_email=nobody").stderr
    command = next(line for line in refused.splitlines() if line.startswith("  cookiecutter "))
    _, _, *arguments = shlex.split(command.replace("project_slug='…'", "project_slug=better"))
    done = bake_command(tmp_path, *[argument.replace("…", "me@example.com") for argument in arguments])

    assert done.returncode == 0, done.stderr
    answers = json.loads((tmp_path / "better/.cookiecutter.json").read_text())["cookiecutter"]
    assert answers["project_name"] == 'It\'s {me} & "you"'
    assert (answers["broker"], answers["devcontainer"], answers["timezone"]) == ("redis", False, "Asia/Tokyo")
    assert answers["author_email"] == "me@example.com"


@pytest.mark.parametrize(
    ("zone", "meant"), [("GMT+2", "Etc/GMT-2"), ("utc-5", "Etc/GMT+5"), ("UTC+99", "Europe/Paris")]
)
def test_an_offset_is_answered_with_a_zone_of_that_offset(zone: str, meant: str) -> None:
    assert meant in answer_validators.timezone({"timezone": zone})[0]


@pytest.mark.parametrize("yes", [True, "yes", "y", "1"])
@pytest.mark.parametrize("no", [False, "no", "n", "0"])
def test_a_yes_or_no_is_understood_however_it_is_written(bake: Bake, yes: Any, no: Any) -> None:
    assert (bake(devcontainer=yes) / ".devcontainer").is_dir()
    assert not (bake(devcontainer=no) / ".devcontainer").exists()


@pytest.mark.parametrize(
    "name",
    [
        "Bob's App",
        'A "smart" app',
        r"C:\new",
        "100 % <b>fun</b> & more",
        "日本 🚀",
        " blanks around ",
        "Conan O'Brien #1: `$HOME`",
        "1. \"\"\"''' -- ~~~ [a](b) &amp; \\",
        "عمر \N{ZERO WIDTH NON-JOINER} e\N{COMBINING ACUTE ACCENT} \N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET}",
    ],
)
def test_a_name_arrives_unharmed(name: str) -> None:
    answers = {"project_name": name, "description": name, "author_name": name, "project_slug": "odd_name"}

    hostile.check(answers, typed=False, good=True)
    hostile.check(answers, typed=True, good=True)
