"""What is wrong with the answers, in words: `complaints` has every validator look at them.

cookiecutter's own process runs this, where what it imports is there already, while it renders `pre_gen_project.py`,
which prints the complaints. `refusal` of local_extensions.py stands between the two.
"""

import json
import keyword
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Answers = dict[str, Any]
TEMPLATE = Path(__file__).resolve().parent
PROJECT = TEMPLATE / "{{cookiecutter.project_slug}}"
QUESTIONS: dict[str, Any] = {
    name: default
    for name, default in json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8")).items()
    if not name.startswith("_")
}
# Functions that take the user's answers as ``extra_context``, by module: of cookiecutter 2.7.1, where this is a
# parameter of the public API, and of cruft 2.16.
ENTRANCES = {("cookiecutter.main", "cookiecutter"), ("cruft._commands.create", "create")}
LONGEST = {
    "project_name": 200,
    "description": 200,
    "author_name": 200,
}  # characters: what a title or a line still shows
# The patterns are texts, so that none is compiled before an answer asks for it.
# Line breaks, control characters, and halves of a character, which no file can hold.
UNFIT = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"

# A Compose project, an image, a distribution and a schema of PostgreSQL allow this much in common.
SLUG = r"(?=.{1,50}\Z)[a-z][a-z0-9]*(?:__?[a-z0-9]+)*"
WINDOWS_DEVICE = r"con|prn|aux|nul|com[0-9]|lpt[0-9]"
# What no user or database may be called (postgresql.org/docs/current/sql-createrole.html), or is one already.
POSTGRESQL = r"pg_.*|none|public|template[01]"

# django.core.validators.EmailValidator of Django 5.2 and 6.0, which the tests compare with this.
LONGEST_EMAIL, LONGEST_IPV6 = 320, 39
EMAIL_USER = (
    r"(?i:[-!#$%&'*+/=?^_`{}|~0-9A-Z]+(?:\.[-!#$%&'*+/=?^_`{}|~0-9A-Z]+)*"
    r'|"(?:[\001-\010\013\014\016-\037!#-\[\]-\177]|\\[\001-\011\013\014\016-\177])*")'
)
# Without Django's flag, which the wide ranges don't need, and which makes the compiler look at each character in them.
# It takes 10 ms even so: compiled without the ranges where it can be.
EMAIL_DOMAIN = (
    r"[a-zA-Z\u00a1-\uffff0-9](?:[a-zA-Z\u00a1-\uffff0-9-]{0,61}[a-zA-Z\u00a1-\uffff0-9])?"
    r"(?:\.(?!-)[a-zA-Z\u00a1-\uffff0-9-]{1,63}(?<!-))*"
    r"\.(?!-)(?:[a-zA-Z\u00a1-\uffff-]{2,63}|(?i:xn--[a-z0-9]{1,59}))(?<!-)"
)
EMAIL_ADDRESS = r"\[([A-Fa-f0-9:.]+)\]"


def shown(value: object) -> str:
    """The value in quotes, on one line, with an end put to it when it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}… ({len(str(value))} characters)"


def unknown(_: Answers) -> list[str]:
    """Every name that was given is one that the template asks for: cookiecutter drops others without a word."""
    complaints = []
    for name in given():
        if name in QUESTIONS or name.startswith("_"):
            continue
        near = nearest(name, QUESTIONS)
        hint = f"did you mean {near[0]}?" if near else f"it asks for {', '.join(sorted(QUESTIONS))}."
        complaints.append(f"{name} is no question of this template: {hint}")
    return complaints


def texts(answers: Answers) -> list[str]:
    """Every text is there, on one line, and of a length that people read."""
    complaints = []
    for name, longest in LONGEST.items():
        value = answers[name]
        if not isinstance(value, str):
            complaints.append(f"{name} {shown(value)} is no text: put it in quotes.")
        elif not value.strip():
            complaints.append(f"{name} {shown(value)} is empty: type at least one letter.")
        elif re.search(UNFIT, value):
            complaints.append(f"{name} {shown(value)} holds a line break or a control character: type it without.")
        elif len(value) > longest:
            complaints.append(f"{name} {shown(value)} is too long: {longest} characters or fewer will do.")
    return complaints


def slug(answers: Answers) -> list[str]:
    """The slug is a folder, an identifier, a Compose project, a database and a vhost: the strictest rule counts."""
    value = answers["project_slug"]
    if value == "refused-project-slug":  # by local_extensions.py, which keeps the answer
        value = answers["__refused_slug"]
    if not isinstance(value, str) or not re.fullmatch(SLUG, value):
        return [
            f"project_slug {shown(value)} is no name for machines: begin with a letter, use only a-z, 0-9 and single _"
            " between them, 50 characters at most, for example my_project."
        ]
    if keyword.iskeyword(value) or keyword.issoftkeyword(value) or value in sys.stdlib_module_names:
        return [f"project_slug {value!r} means something to Python already: try {value}_project."]
    if value in taken():
        return [
            f"project_slug {value!r} is what a folder of the project or a package that it needs is called:"
            f" try {value}_project."
        ]
    if re.fullmatch(WINDOWS_DEVICE, value):
        return [f"project_slug {value!r} is a device on Windows, where no folder can have that name: try my_{value}."]
    if answers["database"] == "postgresql" and re.fullmatch(POSTGRESQL, value):
        return [
            f"project_slug {value!r} does not go with database postgresql, which keeps that name to itself: try"
            f" my_{value}, or database=sqlite."
        ]
    return []


def email(answers: Answers) -> list[str]:
    """The address is one that Django's own validator accepts, and it is on one line."""
    value = answers["author_email"]
    if isinstance(value, str) and not re.search(UNFIT, value) and len(value) <= LONGEST_EMAIL:
        user, _, domain = value.rpartition("@")
        pattern = EMAIL_DOMAIN.replace(r"\u00a1-\uffff", "") if domain.isascii() else EMAIL_DOMAIN
        if re.fullmatch(EMAIL_USER, user) and (domain == "localhost" or re.fullmatch(pattern, domain)):
            return []
        address = re.fullmatch(EMAIL_ADDRESS, domain)
        if re.fullmatch(EMAIL_USER, user) and address and is_ip_address(address[1]):
            return []
    return [f"author_email {shown(value)} is no e-mail address: try one like ada@example.com."]


def is_ip_address(text: str) -> bool:
    """Whether ``text`` is an address of either Internet protocol."""
    import ipaddress

    try:
        return ipaddress.ip_address(text).version == 4 or len(text) <= LONGEST_IPV6
    except ValueError:
        return False


def timezone(answers: Answers) -> list[str]:
    """The time zone is one that Python knows, and Django, and so Celery. UTC always is, and costs no search."""
    value = answers["timezone"]
    if value == "UTC":
        return []
    import difflib  # these two here, because most answer UTC
    import zoneinfo

    system = Path("/usr/share/zoneinfo")  # where Django looks too: django/conf/__init__.py, Settings.__init__
    # This machine's own, whatever it is, and "not set": the database of schedules can't hold the name of either.
    names = zoneinfo.available_timezones() - {"localtime", "Factory"}
    if not isinstance(value, str) or value not in names:
        near = difflib.get_close_matches(str(value)[:80], names, n=1, cutoff=0.7)
        return [
            f"timezone {shown(value)} is no time zone of the IANA database: try {near[0] if near else 'Europe/Paris'}, or UTC."
        ]
    if system.exists() and not (system / value).exists():
        return [f"timezone {shown(value)} is not in {system}, where Django looks for it: try its newer name, or UTC."]
    return []


def choices(answers: Answers) -> list[str]:
    """Every other answer is one of its choices: a replay file or the API can bring something else."""
    return [
        f"{name} {shown(answers[name])} is no choice: {', '.join(map(json.dumps, allowed))} would do."
        for name, allowed in ((name, possible(default)) for name, default in QUESTIONS.items())
        if allowed and not any(answers[name] is choice or answers[name] == choice for choice in allowed)
    ]


def possible(default: object) -> list[Any]:
    """The answers that a question with this default in cookiecutter.json allows; none listed means any text."""
    return default if isinstance(default, list) else [True, False] if isinstance(default, bool) else []


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """The one of ``names`` that ``name`` is most like, if there is one."""
    import difflib  # here, because only a user's slip needs it

    return difflib.get_close_matches(name.lower(), names, n=1)


def taken() -> set[str]:
    """What the project's own folders and modules, the packages it needs, and all that those need, are called.

    The packages are in templates/packages.txt, which the tests compare with a lock and with what the project imports. A
    project of such a name can't be locked: uv takes the package that is needed for the project itself.
    """
    names = {path.stem for path in PROJECT.iterdir() if path.is_dir() or path.suffix == ".py"}
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


VALIDATORS: tuple[Callable[[Answers], list[str]], ...] = (unknown, texts, slug, email, timezone, choices)


def complaints(answers: Answers) -> list[str]:
    """Everything that is wrong with the answers, a sentence each; nothing when they can make a project."""
    return [complaint for validate in VALIDATORS for complaint in validate(answers)]
