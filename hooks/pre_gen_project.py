"""Refuses bad answers, all of them at once, before a file is written."""

import sys
from os.path import dirname

if sys.path[0] == dirname(__file__):  # the temporary folder, in which anyone may have put a re.py
    del sys.path[0]

import json
import keyword
import re
from collections.abc import Callable

# The one place where answers enter, and what `facts` of local_extensions.py knows about them. `tojson` writes ASCII on
# one line, and a quote within a text only behind a backslash: nothing can end the string.
ANSWERS: dict[str, str] = json.loads(r"""{{ cookiecutter | tojson }}""")
FACTS: dict[str, dict[str, list[str]]] = json.loads(r"""{{ cookiecutter | facts | tojson }}""")
LONGEST = {
    "project_name": 200,
    "description": 200,
    "author_name": 200,
}  # characters: what a title or a line still shows
# Line breaks, control characters, and halves of a character, which no file can hold.
UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# A Compose project, an image, a distribution and a schema of PostgreSQL allow this much in common.
SLUG = re.compile(r"(?=.{1,50}\Z)[a-z][a-z0-9]*(?:__?[a-z0-9]+)*")
WINDOWS_DEVICE = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")
# What no user or database may be called (postgresql.org/docs/current/sql-createrole.html), or is one already.
POSTGRESQL = re.compile(r"pg_.*|none|public|template[01]")

# django.core.validators.EmailValidator of Django 5.2 and 6.0, which the tests compare with this.
LONGEST_EMAIL, LONGEST_IPV6 = 320, 39
EMAIL_USER = re.compile(
    r"[-!#$%&'*+/=?^_`{}|~0-9A-Z]+(?:\.[-!#$%&'*+/=?^_`{}|~0-9A-Z]+)*"
    r'|"(?:[\001-\010\013\014\016-\037!#-\[\]-\177]|\\[\001-\011\013\014\016-\177])*"',
    re.IGNORECASE,
)
# Without Django's flag, which the wide ranges don't need, and which makes the compiler look at each character in them.
# It takes 10 ms even so, a third of this hook's time: compiled when it is asked, and without the ranges where it can be.
EMAIL_DOMAIN = (
    r"[a-zA-Z\u00a1-\uffff0-9](?:[a-zA-Z\u00a1-\uffff0-9-]{0,61}[a-zA-Z\u00a1-\uffff0-9])?"
    r"(?:\.(?!-)[a-zA-Z\u00a1-\uffff0-9-]{1,63}(?<!-))*"
    r"\.(?!-)(?:[a-zA-Z\u00a1-\uffff-]{2,63}|(?i:xn--[a-z0-9]{1,59}))(?<!-)"
)
EMAIL_ADDRESS = re.compile(r"\[([A-F0-9:.]+)\]", re.IGNORECASE)


def shown(value: object) -> str:
    """The value in quotes, on one line, with an end put to it when it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}… ({len(str(value))} characters)"


def unknown() -> list[str]:
    """Every name that was given is one that the template asks for: cookiecutter drops others without a word."""
    complaints = []
    for name, near in FACTS["unknown"].items():
        hint = f"did you mean {near[0]}?" if near else f"it asks for {', '.join(FACTS['choices'])}."
        complaints.append(f"{name} is no question of this template: {hint}")
    return complaints


def texts() -> list[str]:
    """Every text is there, on one line, and of a length that people read."""
    complaints = []
    for name, longest in LONGEST.items():
        value = ANSWERS[name]
        if not isinstance(value, str):
            complaints.append(f"{name} {shown(value)} is no text: put it in quotes.")
        elif not value.strip():
            complaints.append(f"{name} {shown(value)} is empty: type at least one letter.")
        elif UNFIT.search(value):
            complaints.append(f"{name} {shown(value)} holds a line break or a control character: type it without.")
        elif len(value) > longest:
            complaints.append(f"{name} {shown(value)} is too long: {longest} characters or fewer will do.")
    return complaints


def slug() -> list[str]:
    """The slug is a folder, an identifier, a Compose project, a database and a vhost: the strictest rule counts."""
    value = ANSWERS["project_slug"]
    if value == "refused-project-slug":  # by local_extensions.py, which keeps the answer
        value = ANSWERS["__refused_slug"]
    if not isinstance(value, str) or not SLUG.fullmatch(value):
        return [
            f"project_slug {shown(value)} is no name for machines: begin with a letter, use only a-z, 0-9 and single _"
            " between them, 50 characters at most, for example my_project."
        ]
    if keyword.iskeyword(value) or keyword.issoftkeyword(value) or value in sys.stdlib_module_names:
        return [f"project_slug {value!r} means something to Python already: try {value}_project."]
    if value in FACTS["taken"]["names"]:
        return [
            f"project_slug {value!r} is what a folder of the project or a package that it needs is called:"
            f" try {value}_project."
        ]
    if WINDOWS_DEVICE.fullmatch(value):
        return [f"project_slug {value!r} is a device on Windows, where no folder can have that name: try my_{value}."]
    if ANSWERS["database"] == "postgresql" and POSTGRESQL.fullmatch(value):
        return [
            f"project_slug {value!r} does not go with database postgresql, which keeps that name to itself: try"
            f" my_{value}, or database=sqlite."
        ]
    return []


def email() -> list[str]:
    """The address is one that Django's own validator accepts, and it is on one line."""
    value = ANSWERS["author_email"]
    if isinstance(value, str) and not UNFIT.search(value) and len(value) <= LONGEST_EMAIL:
        user, _, domain = value.rpartition("@")
        pattern = EMAIL_DOMAIN.replace(r"\u00a1-\uffff", "") if domain.isascii() else EMAIL_DOMAIN
        if EMAIL_USER.fullmatch(user) and (domain == "localhost" or re.fullmatch(pattern, domain)):
            return []
        address = EMAIL_ADDRESS.fullmatch(domain)
        if EMAIL_USER.fullmatch(user) and address and is_ip_address(address[1]):
            return []
    return [f"author_email {shown(value)} is no e-mail address: try one like ada@example.com."]


def is_ip_address(text: str) -> bool:
    """Whether ``text`` is an address of either Internet protocol."""
    import ipaddress

    try:
        return ipaddress.ip_address(text).version == 4 or len(text) <= LONGEST_IPV6
    except ValueError:
        return False


def timezone() -> list[str]:
    """The time zone is one that Python knows, and Django, and so Celery. UTC always is, and costs no search."""
    value = ANSWERS["timezone"]
    if value == "UTC":
        return []
    import difflib
    import zoneinfo
    from pathlib import Path

    system = Path("/usr/share/zoneinfo")  # where Django looks too: django/conf/__init__.py, Settings.__init__
    names = zoneinfo.available_timezones() - {"localtime"}  # which is this machine's own, whatever it is
    if value not in names:
        near = difflib.get_close_matches(str(value)[:80], names, n=1, cutoff=0.7)
        return [
            f"timezone {shown(value)} is not in the IANA database: try {near[0] if near else 'Europe/Paris'}, or UTC."
        ]
    if system.exists() and not (system / value).exists():
        return [f"timezone {shown(value)} is not in {system}, where Django looks for it: try its newer name, or UTC."]
    return []


def choices() -> list[str]:
    """Every other answer is one of its choices: a replay file or the API can bring something else."""
    return [
        f"{name} {shown(ANSWERS[name])} is no choice: {', '.join(map(json.dumps, allowed))} would do."
        for name, allowed in FACTS["choices"].items()
        if allowed and not any(ANSWERS[name] is choice or ANSWERS[name] == choice for choice in allowed)
    ]


VALIDATORS: tuple[Callable[[], list[str]], ...] = (unknown, texts, slug, email, timezone, choices)


def main() -> int:
    """Print every complaint, one a line; the exit status is 1 when there was any, and cookiecutter then stops."""
    complaints = [complaint for validate in VALIDATORS for complaint in validate()]
    for complaint in complaints:
        print(f"ERROR: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
