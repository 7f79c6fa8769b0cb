"""Jinja filters: what quotes an answer for the language it lands in, and what the hooks must know of an answer.

An answer is any text a person may type. It reaches a file of the project through one of these filters, or it is one of
a fixed list of choices, or it is a slug: never pasted as it is. Each filter returns the quotes with the text.

cookiecutter loads this module by name (``_extensions`` in cookiecutter.json).
"""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cookiecutter.utils import simple_filter
from jinja2 import Environment
from jinja2.ext import Extension


def python(text: str) -> str:
    """A Python string literal, in the quotes that ``ruff format`` would choose (double, unless that needs more escapes)."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = (
        "\\" + character
        if character in (quote, "\\")
        else character
        if character.isprintable()
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
    return quote + "".join(escaped) + quote


def toml(text: str) -> str:
    """A TOML basic string: JSON's escapes, plus DELETE, which JSON allows and TOML does not (toml.io/en/v1.0.0#string)."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def markdown(text: str) -> str:
    """Text that Markdown shows as it is, within one line.

    Every character that could mark up a line is escaped by a backslash; a blank at either end, which Markdown would
    strip, or take for a block of code, is an entity.
    """
    escaped = re.sub(r"([\\`*_{}\[\]<>()#+\-!|&~$])", r"\\\1", text)
    escaped = re.sub(r"^(\d+)\.", r"\1\\.", escaped)
    return re.sub(r"^\s+|\s+$", lambda blanks: "".join(f"&#{ord(blank)};" for blank in blanks[0]), escaped)


def quarantine(answers: dict[str, Any]) -> str:
    """The slug, if it could lead out of the target folder or can't be a folder's name, and is taken out of the way.

    cookiecutter makes the project's folder before it runs the first hook, with the parents that a slug like ``a/b``
    names, and removes only the last of them: so ``answers`` gets a harmless slug, and the hook refuses the real one.
    """
    slug = answers["project_slug"]
    if isinstance(slug, str) and re.fullmatch(r"\w[\w-]{0,99}", slug, re.ASCII):
        return ""
    answers["project_slug"] = "refused-project-slug"
    return str(slug)


def facts(answers: dict[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """What ``pre_gen_project.py`` can't find out by itself: it runs alone, away from the template.

    ``choices``: what may be answered, by question (nothing for a text). ``taken``: under ``names``, what a project must
    not be called. ``unknown``: names that the user gave and the template does not ask for, each with the one meant.
    """
    questions = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    choices = {name: default for name, default in questions.items() if not name.startswith("_")}
    return {
        "choices": {name: possible(default) for name, default in choices.items()},
        "taken": {"names": sorted({answers["project_slug"]} & taken())},
        "unknown": {name: nearest(name, choices) for name in given() if name not in questions and name[:1] != "_"},
    }


TEMPLATE = Path(__file__).resolve().parent
PROJECT = TEMPLATE / "{{cookiecutter.project_slug}}"
REQUIREMENT = re.compile(r'^\s*"([\w.-]+)(?:\[[\w,-]+\])?[<>=~!{;]', re.MULTILINE)
IMPORT = re.compile(r"^(?:from|import) (\w+)", re.MULTILINE)
# Functions that take the user's answers as ``extra_context``, by module: of cookiecutter 2.7.1, where this is a
# parameter of the public API, and of cruft 2.16.
ENTRANCES = {("cookiecutter.main", "cookiecutter"), ("cruft._commands.create", "create")}


def possible(default: object) -> list[Any]:
    """The answers that a question with this default in cookiecutter.json allows; none listed means any text."""
    return default if isinstance(default, list) else [True, False] if isinstance(default, bool) else []


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """The one of ``names`` that ``name`` is most like, if there is one."""
    import difflib  # here, because only a user's slip needs it

    return difflib.get_close_matches(name.lower(), names, n=1)


def taken() -> set[str]:
    """What the project's own folders and modules, the packages it needs, and all that those need, are called.

    The last are in templates/packages.txt, which the tests compare with a lock. A project of such a name can't be
    locked: uv takes the package that is needed for the project itself.
    """
    names = {path.stem for path in PROJECT.iterdir() if path.is_dir() or path.suffix == ".py"}
    names |= set(REQUIREMENT.findall((PROJECT / "pyproject.toml").read_text(encoding="utf-8")))
    for file in PROJECT.rglob("*.py"):
        names |= set(IMPORT.findall(file.read_text(encoding="utf-8")))
    names |= set((TEMPLATE / "templates/packages.txt").read_text(encoding="utf-8").split())
    return {name.lower().replace("-", "_").replace(".", "_") for name in names}


def given() -> list[str]:
    """The names of the answers that the user gave, by ``name=value`` or by the API.

    cookiecutter keeps only those that the template asks for, and tells nobody about the others; but its own function
    that was called with all of them has not returned yet. If none is found (another release, another caller), nothing
    is: the check is then left out. What stands in a user's configuration is meant for many templates, and not looked at.
    """
    frame = sys._getframe()
    while frame.f_back:
        frame = frame.f_back
        if (frame.f_globals.get("__name__"), frame.f_code.co_name) in ENTRANCES:
            return [str(name) for name in frame.f_locals.get("extra_context") or ()]
    return []


FactsExtension = simple_filter(facts)
PythonExtension = simple_filter(python)
TomlExtension = simple_filter(toml)
MarkdownExtension = simple_filter(markdown)
QuarantineExtension = simple_filter(quarantine)


class ForgetExtension(Extension):
    """The last one: makes Python forget this module, so that the next environment reads it as it then is.

    ``cruft update`` renders two versions of the template in one process, and the newer may have other filters.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        sys.modules.pop(__name__, None)
