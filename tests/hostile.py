"""Draws answers that no one expects, bakes them, and says what must hold: a refusal that explains, or a good project.

The hooks run in this process: 2,000 bakes would otherwise start 4,000 interpreters. tests/generation/test_answers.py
bakes with hooks as cookiecutter starts them.
"""

import ast
import contextlib
import functools
import html
import io
import json
import os
import re
import runpy
import shutil
import sys
import tempfile
import tomllib
import zoneinfo
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from cookiecutter import main, prompt
from cookiecutter.exceptions import CookiecutterException, FailedHookException
from dotenv import dotenv_values
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from jinja2.exceptions import TemplateError
from markdown_it import MarkdownIt

from tests.baking import CHOICES, QUESTIONS, bake_into, rendered

# A failure is reported as drawn: to make it smaller takes minutes of bakes.
UNHURRIED: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "database": None,
    "phases": [Phase.explicit, Phase.generate],
}
# The same draws every day, so that nothing fails by chance; new ones each time in a thorough run.
settings.register_profile("everyday", max_examples=25, derandomize=True, **UNHURRIED)
settings.register_profile("thorough", max_examples=1000, print_blob=True, **UNHURRIED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "everyday"))

# What ends a string, a line, a comment or a tag somewhere, or is hard to see.
PIECES = (
    *"""'"`\\$%&<>:;#*_-=+~|!?@/.,()[]{}^ 0aZ""",
    *("'''", '"""', "{{", "}}", "{%", "%}", "{#", "#}", "${X}", "$(id)", "\\n", "\\u0041", "&amp;", "<b>", "]]>", "%s"),
    *("1. ", "- ", "---", "```", "[a](b)", "true", "null", "~", "\N{PARTY POPPER}", "e\N{COMBINING ACUTE ACCENT}"),
    *("\N{NO-BREAK SPACE}", "\N{IDEOGRAPHIC SPACE}", "\N{ZERO WIDTH JOINER}", "\N{RIGHT-TO-LEFT OVERRIDE}"),
    *("\N{HEBREW LETTER ALEF}", "\N{ARABIC LETTER BEH}", "\N{ZERO WIDTH NO-BREAK SPACE}", "\uffff", "日本"),
)
TEXTS = ("project_name", "description", "author_name")
SYNTAX = re.compile(r"\{[{%#]")

nasty = st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join)
plain = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=60)
good_text = (nasty | plain).filter(lambda text: text.strip() != "" and len(text) <= 200)
good_slug = st.from_regex(r"[a-z][a-z0-9]{0,8}(_[a-z0-9]{1,8}){1,3}", fullmatch=True).filter(
    lambda slug: (
        not re.match(r"(pg|pre|dj|psycopg|prompt|mypy|typing|types|cron|async)_|.*(django|celery|python|click)", slug)
    )
)
good_email = st.emails() | st.sampled_from(
    [
        '"a(b"@example.com',
        "o'hara+x@xn--bcher-kva.de",
        "a{}|b`@bücher.example",
        "root@localhost",
        "a@[127.0.0.1]",
        "a@[::1]",
    ]
)
good_zone = st.sampled_from(sorted(zoneinfo.available_timezones() - {"Factory", "localtime"}))
any_text = st.text(max_size=300) | nasty | st.text(st.sampled_from("\n\r\t\0\x1b\x7f\x85\u2028 ab'"), max_size=6)
any_slug = any_text | good_slug | st.sampled_from(["a/b/c", "../up", "/tmp/x", ".", "..", "~", "class", "json", "kombu", "con", "a_", "a___b", "x" * 300])  # fmt: skip
choices: dict[str, st.SearchStrategy[Any]] = {name: st.sampled_from(values) for name, values in CHOICES.items()} | {
    "devcontainer": st.booleans()
}

good_answers = st.fixed_dictionaries(
    dict.fromkeys(("project_name", "description", "author_name"), good_text)
    | {"project_slug": good_slug, "author_email": good_email, "timezone": good_zone}
    | choices
)
odd_answers = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("project_name", "description", "author_name"), any_text)
    | {"project_slug": any_slug, "author_email": good_email | any_text, "timezone": good_zone | any_text}
    | choices,
)
# Half of them with one such answer among good ones, which would hide in a crowd of complaints.
one_odd_answer = st.sampled_from([*TEXTS, "project_slug"]).flatmap(
    lambda name: st.fixed_dictionaries({name: any_slug if name == "project_slug" else any_text})
)
any_answers = odd_answers | st.builds(lambda good, odd: good | odd, good_answers, one_odd_answer)


@dataclass
class Bake:
    """What came of a bake: a project, or the hook's complaints, or cookiecutter's own refusal of what it can't render."""

    folder: Path
    answers: dict[str, Any] = field(default_factory=dict)
    project: Path | None = None
    complaints: list[str] = field(default_factory=list)


def run_hook(script: str, cwd: Path | str, complaints: list[str]) -> None:
    """What ``cookiecutter.hooks.run_script`` does, in this process. An exception of a hook's own gets through."""
    errors = io.StringIO()
    try:
        with (
            contextlib.chdir(cwd),
            contextlib.redirect_stderr(errors),
            contextlib.redirect_stdout(io.StringIO()),
            mock.patch.object(sys, "path", [str(Path(script).parent), *sys.path]),
        ):
            runpy.run_path(str(script), run_name="__main__")
    except SystemExit as exit:
        if exit.code:
            complaints.extend([] if exit.code == 1 else [f"exit status {exit.code}"])
            complaints.extend(errors.getvalue().partition("\nTo bake with your other answers, ")[0].splitlines())
            raise FailedHookException("refused") from exit
    finally:
        Path(script).unlink()


@contextlib.contextmanager
def baked(drawn: dict[str, Any], typed: bool) -> Iterator[Bake]:
    """Bake the drawn answers in a folder of their own, and remove it after.

    ``typed`` answers come as from the keyboard, where the prompt strips them and nothing means the default; others come
    as ``name=value``, which cookiecutter renders. ``answers`` is what it made of them.
    """

    def ask(name: str, default: Any, *_: object) -> Any:
        value = drawn.get(name, default[0] if isinstance(default, list) else default)
        return (value.strip() or default) if isinstance(value, str) and not isinstance(default, list) else value

    def answer(*arguments: Any) -> Any:
        with mock.patch.multiple(prompt, read_user_variable=ask, read_user_choice=ask, read_user_yes_no=ask):
            made = ask_all(arguments[0], no_input=not typed)
        bake.answers = {name: made[name] for name in QUESTIONS}
        if made["project_slug"] == "refused-project-slug":
            bake.answers["project_slug"] = made["__refused_slug"]
        return made

    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    bake = Bake(folder / "target")
    ask_all = prompt.prompt_for_config
    try:
        with (
            mock.patch.object(main, "prompt_for_config", answer),
            mock.patch("cookiecutter.hooks.run_script", lambda script, cwd: run_hook(script, cwd, bake.complaints)),
            mock.patch("logging.Logger.exception"),
            contextlib.suppress(FailedHookException),
        ):
            bake.project = bake_into(bake.folder, **({} if typed else drawn))
        yield bake
    finally:
        shutil.rmtree(folder)


def check(drawn: dict[str, Any], typed: bool, site: Callable[[Path], str] | None = None, good: bool = False) -> None:
    """Bake and check. ``site`` runs Django's own checks on a project and returns its page."""
    try:
        with baked(drawn, typed) as bake:
            if not any(SYNTAX.search(value) for value in drawn.values() if isinstance(value, str)):
                check_answers_are_those_given(bake.answers, drawn, typed)
            if bake.project:
                assert list(bake.folder.iterdir()) == [bake.project]
                check_project(bake.project, bake.answers)
                if site:
                    check_page(site(bake.project), bake.answers["project_name"])
            else:
                assert not good or (not typed and SYNTAX.search(str(drawn))), bake.complaints
                check_refusal(bake)
    except (TemplateError, CookiecutterException):  # cookiecutter renders name=value itself, before any of our code
        assert not typed
        assert any(SYNTAX.search(value) for value in drawn.values() if isinstance(value, str))


def check_answers_are_those_given(answers: dict[str, Any], drawn: dict[str, Any], typed: bool) -> None:
    """cookiecutter's own liberties: a prompt strips, rendering makes a CR a LF."""
    for name, value in drawn.items():
        if typed and isinstance(value, str):
            assert not value.strip() or answers[name] == value.strip()
        elif isinstance(value, str):
            assert answers[name] == re.sub(r"\r\n|\r", "\n", value)
        else:
            assert answers[name] == value


def check_refusal(bake: Bake) -> None:
    """A refusal names each answer once, with its value, on one line, and leaves nothing behind."""
    assert bake.complaints
    assert list(bake.folder.iterdir()) == []
    assert {path.name for path in bake.folder.parent.iterdir()} <= {"target", "target.cookiecutterrc", "target.replay"}
    names = [re.match(r"ERROR: (\w+) '?", complaint) for complaint in bake.complaints]
    assert all(names), bake.complaints
    named = [name[1] for name in names if name]
    assert len(named) == len(set(named))
    assert set(named) <= QUESTIONS.keys()
    assert all(repr(bake.answers[name])[:60] in line for name, line in zip(named, bake.complaints, strict=True))


def check_project(project: Path, answers: dict[str, Any]) -> None:
    """Every file parses, nothing is unrendered, and the answers read back as they were."""
    assert project.name == answers["project_slug"]
    files = {str(file): (project / file).read_text(encoding="utf-8") for file in rendered(project)}
    for name, text in files.items():
        parse(Path(name).suffix, text)
        if "cookiecutter" not in "".join(str(value) for value in answers.values()):
            assert not re.search(r"\{[{%#][^}\n]*cookiecutter", text), name
    metadata = tomllib.loads(files["pyproject.toml"])["project"]
    assert metadata["name"] == answers["project_slug"].replace("_", "-")
    assert metadata["description"] == answers["description"]
    assert metadata["authors"] == [{"name": answers["author_name"], "email": answers["author_email"]}]
    settings = constants(files["config/settings/base.py"])
    assert settings["PROJECT_NAME"] == answers["project_name"]
    assert settings["TIME_ZONE"] == answers["timezone"]
    assert settings["DEFAULT_FROM_EMAIL"] == answers["author_email"]
    tokens = MarkdownIt().parse(files["README.md"])
    assert [token.tag for token in tokens[:6] if token.tag] == ["h1", "h1", "p", "p"]
    assert text_of(tokens[1]) == answers["project_name"]
    assert text_of(tokens[4]) == answers["description"]
    if answers["license"] in ("MIT", "BSD-3-Clause"):
        assert f"\nCopyright (c) {answers['author_name']}\n" in files["LICENSE"]
    if answers["devcontainer"]:
        assert json.loads(files[".devcontainer/devcontainer.json"])["name"] == answers["project_name"]
    check_env(project, answers)


def text_of(inline: Any) -> str:
    """The text that a line of Markdown shows, when it is nothing but text."""
    assert {child.type for child in inline.children} <= {"text", "text_special"}
    return "".join(child.content for child in inline.children)


def check_env(project: Path, answers: dict[str, Any]) -> None:
    """.env says what the answers meant, and its example the same but for the secrets."""
    values = dotenv_values(project / ".env")
    example = dotenv_values(project / ".env.example")
    slug, url = answers["project_slug"], str(values["CELERY_BROKER_URL"])
    assert values.keys() == example.keys()
    assert all("change-me" in str(example[name]) for name in values if values[name] != example[name])
    assert url.partition(":")[0] == {"none": "", "rabbitmq": "amqp"}.get(answers["broker"], "redis")
    assert answers["broker"] != "rabbitmq" or (url.startswith(f"amqp://{slug}:") and url.endswith(f"/{slug}"))
    assert answers["database"] != "postgresql" or str(values["DATABASE_URL"]).endswith(f":5432/{slug}")
    assert (answers["database"] == "sqlite") == (values["DATABASE_URL"] == "")


def check_page(page: str, name: str) -> None:
    """The page shows the name, as text."""
    title = re.search(r"<title>[^<]* · ([^<]*)</title>", page)
    assert title
    assert html.unescape(title[1]) == name


@functools.cache
def parse(suffix: str, text: str) -> None:
    """Parse a file's text by what its name ends with. Files that are alike in many bakes are parsed once."""
    if suffix == ".py":
        compile(text, "file", "exec", dont_inherit=True)
    elif suffix == ".toml":
        tomllib.loads(text)
    elif suffix in (".yaml", ".yml"):
        assert all(isinstance(document, dict) for document in yaml.safe_load_all(text))
    elif suffix == ".json":
        json.loads(text)


@functools.lru_cache(maxsize=16)
def constants(text: str) -> dict[str, Any]:
    """The names that Python source gives a literal string, at its top."""
    return {
        ast.unparse(node.targets[0]): node.value.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
