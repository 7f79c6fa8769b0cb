"""Jinja filters, which quote an answer for the language of a file or refuse it.

An answer is any text a person may type. A text reaches a file of the project only through one of these filters, which
return it with its quotes. Other answers are one of a fixed list of choices, or the slug, which is checked.

cookiecutter imports this module by its name in ``_extensions`` of cookiecutter.json.
"""

import contextlib
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cookiecutter import __version__
from jinja2 import Environment, pass_environment
from jinja2.ext import Extension

TEMPLATE = Path(__file__).resolve().parent

# Older ones refuse a yes or no that is given as an answer.
if tuple(map(int, __version__.split(".")[:2])) < (2, 7):
    raise SystemExit(
        f"This template needs cookiecutter 2.7 or newer, and this is {__version__}. `uvx cookiecutter` runs the newest."
    )


def python(text: str) -> str:
    """Return a Python string literal in the quotes that ``ruff format`` chooses: double, unless that needs more escapes."""
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
    """Return a TOML basic string. JSON's escapes fit, but TOML also escapes DELETE (toml.io/en/v1.0.0#string)."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def markdown(text: str) -> str:
    """Return text that Markdown shows unchanged, on one line.

    A backslash escapes every character that could be markup. A blank at either end becomes an entity, because Markdown
    would strip it or start a block of code.
    """
    escaped = re.sub(r"([\\`*_{}\[\]<>()#+\-!|&~$])", r"\\\1", text)
    escaped = re.sub(r"^(\d+)\.", r"\1\\.", escaped)
    return re.sub(r"^\s+|\s+$", lambda blanks: "".join(f"&#{ord(blank)};" for blank in blanks[0]), escaped)


def quarantine(answers: dict[str, Any]) -> str:
    """Replace a slug that can't safely be a folder's name by a harmless one, and return the real one for the refusal.

    cookiecutter makes the project's folder before it runs the first hook. For a slug like ``a/b`` it also makes the
    parents, outside the target folder for ``../b``, and does not remove them.
    """
    slug = answers["project_slug"]
    if isinstance(slug, str) and re.fullmatch(r"\w[\w-]{0,99}", slug, re.ASCII):
        return ""
    answers["project_slug"] = "refused-project-slug"
    return str(slug)


def default_slug(name: str) -> str:
    """Return a slug for the project's name that is not refused: ``123 Go`` becomes ``project_123_go``."""
    from answer_validators import default_slug  # not at the top: only some of a bake's environments need it

    return str(default_slug(name))


@pass_environment
def refusal(environment: Environment, answers: dict[str, Any]) -> str:
    """Return the complaints of `answer_validators.py`, one a line, as the inside of a string literal of the hook.

    Quotes, line breaks and non-ASCII characters are escaped, so that no answer can end the literal. If there is none,
    what follows from the answers is derived again: a replay brings it from a file, whose answers a person may have changed.
    """
    from answer_validators import DERIVED, complaints, correction  # not at the top, as above

    answers.update(repaired(answers))
    found = complaints(answers)
    if not found:
        for name, template in DERIVED.items():
            answers[name] = environment.from_string(template).render(cookiecutter=answers)
        return ""
    lines = "\n".join([*(f"ERROR: {complaint}" for complaint in found), *correction(answers, found)])
    return lines.encode("unicode_escape").decode("ascii").replace('"', r"\"")


def repaired(answers: dict[str, Any]) -> dict[str, str]:
    """Return the answers that a terminal has given in UTF-8 to a Python that expected ASCII, as with ``LC_ALL=C``."""
    found = {}
    for name, answer in answers.items():
        if isinstance(answer, str) and re.search(r"[\udc80-\udcff]", answer):
            with contextlib.suppress(UnicodeError):
                found[name] = answer.encode("utf-8", "surrogateescape").decode("utf-8")
    return found


class TemplateExtension(Extension):
    """Gives cookiecutter's environments the filters above, and the hook the template's folder."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters.update(python=python, toml=toml, markdown=markdown, default_slug=default_slug)
        environment.filters.update(quarantine=quarantine, refusal=refusal)
        environment.globals["template_folder"] = str(TEMPLATE)
        skip_plain_texts(environment)
        forget_modules()


def skip_plain_texts(environment: Environment) -> None:
    """Have ``from_string`` compile only texts with something to render, and optimise none: each is rendered once.

    cookiecutter 2.7.1 calls it for the name of each file and folder and for each choice, over a hundred times a bake, and
    only calls ``render`` on what it gets. Compiling them all takes a tenth of a bake.
    """
    environment.optimized = False
    compiled = environment.from_string

    def from_string(source: str, *more: Any, **named: Any) -> Any:
        if "{" in source or "\r" in source:  # Jinja turns a CR into a LF
            return compiled(source, *more, **named)
        return SimpleNamespace(render=lambda **_: source)

    environment.from_string = from_string  # type: ignore[assignment, method-assign]


def forget_modules() -> None:
    """Make Python import these modules again for the next environment.

    `cruft update` renders two versions of the template in one process. Without this, the newer version would be rendered
    with the older one's filters, and an update that adds a filter would fail.
    """
    for module in (__name__, "answer_validators"):
        sys.modules.pop(module, None)
