"""Refuses bad answers, all of them at once, before a file is written."""

import json
import keyword
import re
import sys
import zoneinfo
from collections.abc import Callable

# The one place where answers enter. `tojson` writes ASCII without a single backslash, quote or brace of their own.
ANSWERS: dict[str, str] = json.loads(r"""{{ cookiecutter | tojson }}""")
TEXTS = ("project_name", "description", "author_name", "author_email", "timezone", "project_slug")
LONGEST = 200  # characters: what a title, a TOML line and an HTML page still show


def texts() -> list[str]:
    """Every text answer is there, on one line, and of a length that people read."""
    complaints = []
    for name in TEXTS:
        value = ANSWERS[name]
        if not value.strip():
            complaints.append(f"{name} is empty: type at least one character.")
        elif not value.isprintable():
            complaints.append(f"{name} {value!r} holds a line break or a control character: type it on one line.")
        elif len(value) > LONGEST:
            complaints.append(f"{name} is {len(value)} characters long: {LONGEST} will do.")
    return complaints


def slug() -> list[str]:
    """The slug is a folder, a Python-safe name, a Compose project, a database and a vhost: the strictest rule counts."""
    value = ANSWERS["project_slug"]
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,49}", value):
        return [
            f"project_slug {value!r} must begin with a lower-case letter and hold only a-z, 0-9 and _, 50 at most,"
            " for example my_project."
        ]
    if keyword.iskeyword(value) or keyword.issoftkeyword(value) or value in sys.stdlib_module_names:
        return [f"project_slug {value!r} means something to Python already: try {value}_project."]
    return []


def email() -> list[str]:
    """The address has the form that Django's own validator accepts."""
    value = ANSWERS["author_email"]
    label = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    if re.fullmatch(rf"[A-Za-z0-9.!#$&*+/=?^_`|~'-]+@(?:{label}\.)+[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]", value):
        return []
    return [f"author_email {value!r} is no e-mail address: try one like ada@example.com."]


def timezone() -> list[str]:
    """The time zone is one that Python, and so Django and Celery, knows."""
    value = ANSWERS["timezone"]
    if value in zoneinfo.available_timezones():
        return []
    return [f"timezone {value!r} is not in the IANA database: try UTC, or a name like Europe/Paris."]


VALIDATORS: tuple[Callable[[], list[str]], ...] = (texts, slug, email, timezone)


def main() -> int:
    """Print every complaint, one a line; the exit status is 1 when there was any, and cookiecutter then stops."""
    complaints = [complaint for validate in VALIDATORS for complaint in validate()]
    for complaint in complaints:
        print(f"ERROR: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
