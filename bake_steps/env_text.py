"""What stands in an .env file, as text: its variables, what it lacks, and secrets in the place of placeholders."""

import contextlib
import re
import secrets
from urllib.parse import quote, unquote, urlsplit

# An assignment as python-dotenv reads it: a quoted value may have several lines, any other ends at a comment.
ASSIGNMENT = re.compile(
    r"""^\ufeff?[ \t]*(?:export[ \t]+)?(\w+)[ \t]*=[ \t]*(?:
    "((?:[^"\\]|\\[\s\S])*)"[ \t]*(?:\#.*)?[ \t\r]*$ |
    '((?:[^'\\]|\\[\s\S])*)'[ \t]*(?:\#.*)?[ \t\r]*$ |
    (.*?)(?:[ \t]+\#.*)?[ \t\r]*$)""",
    re.MULTILINE | re.VERBOSE,
)
PLACEHOLDER = re.compile(r"change-me-[a-z-]+")
REFERENCE = re.compile(r"\$\{(\w+)\}")


def assignments(text: str) -> dict[str, str]:
    """Return the variables that the text sets. If it sets one twice, the later line counts."""
    return {
        name: re.sub(r"\\(.)", r"\1", double or single) or plain
        for name, double, single, plain in ASSIGNMENT.findall(text)
    }


def expanded(variables: dict[str, str]) -> dict[str, str]:
    """Return the variables with the value of each other one that they refer to as ``${NAME}``."""
    return {
        name: REFERENCE.sub(lambda match: variables.get(match[1], match[0]), value) for name, value in variables.items()
    }


def with_placeholders(example: str) -> str:
    """Return the example with a placeholder in each empty secret.

    The example of production leaves its secrets empty, so that a copy of it with one forgotten refuses to start.
    """
    return re.sub(
        r"^(\w+_(?:KEY|PASSWORD|TOKEN))=$",
        lambda match: f"{match[0]}change-me-{match[1].lower().replace('_', '-')}",
        example,
        flags=re.MULTILINE,
    )


def additions(example: str, text: str) -> str:
    """Return what ``text`` lacks of the example, with secrets. It is empty if nothing is missing."""
    present = assignments(text)
    added = missing(example, present) if text else example.strip()
    return with_references(with_secrets(added, secrets_for(example, present)), present) if added else ""


def missing(example: str, present: dict[str, str]) -> str:
    """Return the paragraphs of the example that set a missing variable, without lines that set a present one."""
    added = []
    for paragraph in example.strip().split("\n\n"):
        lines = paragraph.split("\n")
        if set(assignments(paragraph)) - set(present):
            added.append("\n".join(line for line in lines if not set(assignments(line)) & set(present)))
    return "\n\n".join(added)


def secrets_for(example: str, present: dict[str, str]) -> dict[str, str]:
    """Return a secret for each placeholder of the example: the one that the file already has, or a new one."""
    wanted = expanded(assignments(example))
    return {
        placeholder: known_secret(placeholder, wanted, present) or secrets.token_urlsafe(48)
        for placeholder in set(PLACEHOLDER.findall(example))
    }


def known_secret(placeholder: str, wanted: dict[str, str], present: dict[str, str]) -> str:
    """Return what a present variable has in the placeholder's place, alone or in a URL. Empty if none has."""
    for name, value in wanted.items():
        if value == placeholder and present.get(name):
            return present[name]
        if placeholder in value:
            with contextlib.suppress(ValueError):  # not a URL
                ours, theirs = urlsplit(value), urlsplit(present.get(name, ""))
                password = unquote(theirs.password or "")
                if ours.scheme.startswith(theirs.scheme) and password and "${" not in password:
                    return password
    return ""


def with_secrets(text: str, found: dict[str, str]) -> str:
    """Return the text with its placeholders replaced: percent-encoded in a URL, quoted where .env needs it."""

    def filled(line: str) -> str:
        name, _, value = line.partition("=")
        if value not in found:
            return PLACEHOLDER.sub(lambda match: quote(found[match[0]], safe=""), line)
        secret = found[value]
        if re.fullmatch(r"[\w.~%+/@:-]+", secret, re.ASCII):
            return f"{name}={secret}"
        escaped = secret.replace("\\", "\\\\").replace("'", "\\'")
        return f"{name}='{escaped}'"

    return "\n".join(map(filled, text.split("\n")))


def with_references(text: str, present: dict[str, str]) -> str:
    """Return the text with each ``${NAME}`` replaced that refers to a value which has to be percent-encoded in a URL."""

    def encoded(match: re.Match[str]) -> str:
        value = present.get(match[1], "")
        return match[0] if quote(value, safe="") == value else quote(value, safe="")

    return REFERENCE.sub(encoded, text)


def differing(example: str, text: str) -> list[str]:
    """Return the names of the variables that have another value in the example. Any secret fits a placeholder."""
    present = assignments(text)
    return [
        name
        for name, value in expanded(assignments(example)).items()
        if not re.fullmatch(".+".join(map(re.escape, PLACEHOLDER.split(value))), present.get(name, ""))
    ]
