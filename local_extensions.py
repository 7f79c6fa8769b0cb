"""Jinja filters: what quotes an answer for the language it lands in, and what refuses one.

An answer is any text a person may type. It reaches a file of the project through one of these filters, or it is one of
a fixed list of choices, or it is a slug: never pasted as it is. Each filter returns the quotes with the text.

cookiecutter loads this module by name (``_extensions`` in cookiecutter.json).
"""

import json
import re
import sys
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


def refusal(answers: dict[str, Any]) -> str:
    """What `answer_validators.py` has against the answers, a line each, for the quotes of a string in a hook.

    It is ASCII without a quote or a line break of its own, so that no answer can end that string.
    """
    from answer_validators import complaints  # here, because of a bake's four environments only one asks

    lines = "\n".join(f"ERROR: {complaint}" for complaint in complaints(answers))
    return lines.encode("unicode_escape").decode("ascii").replace('"', r"\"")


PythonExtension = simple_filter(python)
TomlExtension = simple_filter(toml)
MarkdownExtension = simple_filter(markdown)
QuarantineExtension = simple_filter(quarantine)
RefusalExtension = simple_filter(refusal)


class PlainText:
    """What a template is to cookiecutter: something to render."""

    def __init__(self, text: str) -> None:
        self.text = text

    def render(self, **_: object) -> str:
        return self.text


class PlainTextExtension(Extension):
    """Hands back a text in which there is nothing to render, where Jinja would compile a template; optimises nothing.

    cookiecutter does that for the name of each file and folder and for each choice, over a hundred times in a bake and
    a tenth of its time, and asks nothing of what it gets but to render (2.7.1, generate.py and prompt.py).
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.optimized = False  # what is rendered once takes longer to optimise than it then saves
        compiled = environment.from_string

        def from_string(source: str, *more: Any, **named: Any) -> Any:
            if "{" in source or "\r" in source:  # of which Jinja makes a LF
                return compiled(source, *more, **named)
            return PlainText(source)

        environment.from_string = from_string  # type: ignore[assignment, method-assign]


class ForgetExtension(Extension):
    """The last one: makes Python forget our modules, so that the next environment reads them as they then are.

    ``cruft update`` renders two versions of the template in one process, and the newer may have other filters.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        for module in (__name__, "answer_validators"):
            sys.modules.pop(module, None)
