"""Says what is wrong with the answers. `complaints` runs all validators.

This runs in cookiecutter's own process, which has imported most of what it needs. The filter `refusal` of
local_extensions.py calls it while cookiecutter renders `pre_gen_project.py`, which then prints the complaints.
"""

import json
import keyword
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

Answers = dict[str, Any]
TEMPLATE = Path(__file__).resolve().parent
PROJECT = TEMPLATE / "{{cookiecutter.project_slug}}"
CONTEXT: dict[str, Any] = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
QUESTIONS = {name: default for name, default in CONTEXT.items() if not name.startswith("_")}
# What follows from the answers, as templates, in their order.
DERIVED = {
    name: template
    for name, template in CONTEXT.items()
    if name.startswith("__") and name not in ("__prompts__", "__refused_slug")
}
LONGEST = {"project_name": 200, "description": 200, "author_name": 200}  # characters, for titles and single lines

# The patterns are texts, so that none is compiled before it is needed.
# Line breaks, control characters, and surrogates, which UTF-8 can't encode.
UNFIT = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"

# What a Compose project, an image, a Python distribution and a PostgreSQL schema have in common.
SLUG = r"(?=.{1,50}\Z)[a-z][a-z0-9]*(?:__?[a-z0-9]+)*"
WINDOWS_DEVICE = r"con|prn|aux|nul|com[0-9]|lpt[0-9]"
# Names that PostgreSQL reserves (postgresql.org/docs/current/sql-createrole.html) or already uses for a database.
POSTGRESQL = r"pg_.*|none|public|template[01]"

# One @, with a user before it and a host after it. Whether the address exists, only a mail can tell.
EMAIL = r"(?=.{1,320}\Z)[^\s@]+@(?:localhost|\[[0-9A-Fa-f:.]+\]|[\w-]+(?:\.[\w-]+)+)"


def shown(value: object) -> str:
    """Return the value in quotes, on one line, shortened if it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}… ({len(str(value))} characters)"


def unknown(_: Answers) -> list[str]:
    """The template asks for every name that was given. cookiecutter itself ignores other names."""
    complaints = []
    for name in given():
        if name in QUESTIONS or name.startswith("_"):
            continue
        near = nearest(name, QUESTIONS)
        hint = f"Did you mean {near[0]!r}?" if near else f"The template asks for {', '.join(sorted(QUESTIONS))}."
        complaints.append(f"Unknown answer {name!r}. {hint}")
    return complaints


def given() -> list[str]:
    """Return the names of the answers that were given to the command as ``name=value``.

    cookiecutter's command is Click's, which keeps its arguments. A caller of the Python API passes them where only
    cookiecutter sees them. Answers in a user's configuration are for many templates and are not looked at.
    """
    context = click.get_current_context(silent=True)
    answers = context.params.get("extra_context") if context else None
    return list(answers) if isinstance(answers, dict) else []


def texts(answers: Answers) -> list[str]:
    """Each text has something in it, is on one line and is not too long."""
    complaints = []
    for name, longest in LONGEST.items():
        value = answers[name]
        if not isinstance(value, str):
            complaints.append(f"{name} {shown(value)} is not text. Put it in quotes.")
        elif not value.strip():
            complaints.append(f"{name} {shown(value)} is empty. Type at least one letter.")
        elif re.search(UNFIT, value):
            complaints.append(f"{name} {shown(value)} contains a line break or a control character. Remove it.")
        elif len(value) > longest:
            complaints.append(f"{name} {shown(value)} is too long. Use at most {longest} characters.")
    return complaints


def slug(answers: Answers) -> list[str]:
    """The slug can be a folder, a Python identifier, a Compose project, a database and a RabbitMQ vhost."""
    value = answers["project_slug"]
    if value == "refused-project-slug":  # the filter `quarantine` has replaced it
        value = answers["__refused_slug"]
    if not isinstance(value, str) or not re.fullmatch(SLUG, value):
        return [
            f"project_slug {shown(value)} is not valid. Use lower-case letters, digits and single underscores, starting"
            " with a letter and ending with a letter or a digit, at most 50 characters. Example: my_project."
        ]
    if keyword.iskeyword(value) or keyword.issoftkeyword(value) or value in sys.stdlib_module_names:
        return [f"project_slug {value!r} is a keyword or a standard module of Python. Try {value}_project."]
    if value in taken():
        return [
            f"project_slug {value!r} is the name of a folder of the project, or of a package that it needs."
            f" Try {value}_project."
        ]
    if re.fullmatch(WINDOWS_DEVICE, value):
        return [
            f"project_slug {value!r} is the name of a device on Windows, so a folder can't have it. Try my_{value}."
        ]
    if answers["database"] == "postgresql" and re.fullmatch(POSTGRESQL, value):
        return [f"project_slug {value!r} is reserved by PostgreSQL. Try my_{value} or database=sqlite."]
    return []


def default_slug(name: str) -> str:
    """Return a slug for a project of this name. It is valid with every other answer."""
    from slugify import slugify  # cookiecutter's own filter of this name uses it

    plain = re.sub("_+", "_", slugify(name, separator="_"))[:40].strip("_")
    found = plain if plain[:1].isalpha() else f"project_{plain}".strip("_")
    tries = (found, f"{found}_project", f"project_{found}")
    return next(each for each in tries if not slug({"project_slug": each, "database": "postgresql"}))


def email(answers: Answers) -> list[str]:
    """The address looks like one. It becomes the sender of the project's mails."""
    value = answers["author_email"]
    if isinstance(value, str) and re.fullmatch(EMAIL, value) and not re.search(UNFIT, value):
        return []
    return [f"author_email {shown(value)} is not an e-mail address. Example: ada@example.com."]


def timezone(answers: Answers) -> list[str]:
    """Python, Django and so Celery know the time zone. They all know UTC, so it is not looked up."""
    value = answers["timezone"]
    if value == "UTC":
        return []
    import difflib  # these two here, because most people answer UTC
    import zoneinfo

    system = Path("/usr/share/zoneinfo")  # where Django looks too: django/conf/__init__.py, Settings.__init__
    # These mean "this machine's own" and "not set". The database of schedules can't store them.
    names = zoneinfo.available_timezones() - {"localtime", "Factory"}
    if not isinstance(value, str) or value not in names:
        if offset := re.fullmatch(r"(?:UTC|GMT) ?([+-])0?(\d{1,2})", str(value).upper()):
            # The database has POSIX's signs: Etc/GMT-2 is two hours ahead of UTC.
            zone = f"Etc/GMT{'-' if offset[1] == '+' else '+'}{offset[2]}"
            return [
                f"timezone {shown(value)} is not a time zone of the IANA database. Try a place such as Europe/Paris"
                + (
                    f", or {zone}, which is {offset[1]}{offset[2]} hours from UTC and has no summer time."
                    if zone in names
                    else "."
                )
            ]
        near = difflib.get_close_matches(str(value)[:80], names, n=1, cutoff=0.7)
        example = near[0] if near else "Europe/Paris"
        return [f"timezone {shown(value)} is not a time zone of the IANA database. Try {example} or UTC."]
    if system.exists() and not (system / value).exists():
        return [f"timezone {shown(value)} is not in {system}, where Django looks for it. Try its newer name or UTC."]
    return []


def choices(answers: Answers) -> list[str]:
    """Each other answer is one of its choices. A replay file or the API can bring something else."""
    return [
        f"{name} {shown(answers[name])} is not a choice. Use one of {', '.join(map(json.dumps, allowed))}."
        for name, allowed in ((name, possible(default)) for name, default in QUESTIONS.items())
        if allowed and not any(answers[name] is choice or answers[name] == choice for choice in allowed)
    ]


def possible(default: object) -> list[Any]:
    """Return the answers that a question with this default in cookiecutter.json allows. An empty list allows any text."""
    return default if isinstance(default, list) else [True, False] if isinstance(default, bool) else []


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Return the one of ``names`` that is most like ``name``, if one is."""
    import difflib  # here, because only a mistake needs it

    return difflib.get_close_matches(name.lower(), names, n=1)


def taken() -> set[str]:
    """Return the names of the project's own folders and modules, and of all packages that end up installed.

    uv can't lock a project that has the name of one of its packages. The packages are in templates/packages.txt. The
    tests compare it with a lock and with what the project imports.
    """
    names = {path.stem for path in PROJECT.iterdir() if path.is_dir() or path.suffix == ".py"}
    names |= set((TEMPLATE / "templates/packages.txt").read_text(encoding="utf-8").split())
    return {name.lower().replace("-", "_").replace(".", "_") for name in names}


VALIDATORS: tuple[Callable[[Answers], list[str]], ...] = (unknown, texts, slug, email, timezone, choices)


def correction(answers: Answers, found: list[str]) -> list[str]:
    """Return lines with a command that bakes with these answers, but for the refused ones, which have to be typed anew."""
    refused = [name for name in QUESTIONS if any(complaint.startswith(f"{name} ") for complaint in found)]
    changed = {name: answers[name] for name in QUESTIONS if name not in refused and is_changed(name, answers)}
    context = click.get_current_context(silent=True)
    command = ["cookiecutter", str(answers.get("_template", TEMPLATE)), "--no-input", "--default-config"]
    if context and context.params.get("output_dir") not in (None, "."):
        command += ["--output-dir", str(context.params["output_dir"])]
    command += [f"{name}={as_typed(answer)}" for name, answer in changed.items()]
    import shlex  # here, because only a refusal needs it

    dots = "".join(f" {name}='…'" for name in refused)
    where = f", with a better answer in the place of {'each' if len(refused) > 1 else 'the'} …" if refused else ""
    return [f"To bake with your other answers, type this{where}:", f"  {shlex.join(command)}{dots}"]


def is_changed(name: str, answers: Answers) -> bool:
    """Whether an answer is not the default."""
    default = QUESTIONS[name]
    if name == "project_slug":
        return bool(answers[name] != default_slug(str(answers["project_name"])))
    return bool(answers[name] != (default[0] if isinstance(default, list) else default))


def as_typed(answer: object) -> str:
    """Return the answer as ``name=value`` takes it, which cookiecutter renders as it does a default."""
    from bake_steps.answers_file import as_default  # here, because only a refusal needs it

    return ("no", "yes")[answer] if isinstance(answer, bool) else str(as_default(answer))


def complaints(answers: Answers) -> list[str]:
    """Return everything that is wrong with the answers, one complaint each. If there is none, they make a project."""
    return [complaint for validate in VALIDATORS for complaint in validate(answers)]
