"""Jinja filters that quote an answer for the language it lands in.

An answer is any text a person may type. It reaches a file of the project through one of these filters, or it is one of
a fixed list of choices, or it is a slug: never pasted as it is. Each filter returns the quotes with the text.

cookiecutter loads this module by name (``_extensions`` in cookiecutter.json).
"""

import json
import re

from cookiecutter.utils import simple_filter


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
    """Text that Markdown shows as it is: every character that could mark up a line is escaped by a backslash."""
    escaped = re.sub(r"([\\`*_{}\[\]<>()#+\-!|&~$])", r"\\\1", text)
    return re.sub(r"^(\d+)\.", r"\1\\.", escaped)


PythonExtension = simple_filter(python)
TomlExtension = simple_filter(toml)
MarkdownExtension = simple_filter(markdown)
