"""The project keeps its answers in `.cookiecutter.json`."""

import json
from pathlib import Path

Answers = dict[str, object]
ANSWERS_FILE = Path(".cookiecutter.json")


def read() -> Answers:
    """Return the answers of the previous bake. They are empty at a first bake, or if the file is damaged."""
    try:
        kept = json.loads(ANSWERS_FILE.read_text(encoding="utf-8"))["cookiecutter"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return kept if isinstance(kept, dict) else {}


def write(answers: Answers) -> None:
    """Write the answers, for `cookiecutter --replay-file` and, as defaults, for `cookiecutter --config-file`.

    Only a replay takes private variables from the file. Names with one underscore are left out: cookiecutter's own,
    which are paths of this machine, and tables that the template has anyway.
    """
    asked = {name: answer for name, answer in answers.items() if not name.startswith("_")}
    private = {name: value for name, value in answers.items() if name.startswith("__") and name != "__prompts__"}
    content = {
        "cookiecutter": asked | private,
        "default_context": {name: as_default(answer) for name, answer in asked.items()},
    }
    text = json.dumps(content, ensure_ascii=False, indent=2)
    ANSWERS_FILE.write_text(f"{text}\n", encoding="utf-8", newline="\n")


def as_default(answer: object) -> object:
    """Return the answer as a default. cookiecutter renders defaults, so one with braces becomes a quoted expression."""
    if not isinstance(answer, str) or "{" not in answer:
        return answer
    quoted = answer.replace("\\", "\\\\").replace('"', '\\"')
    return f'{{{{ "{quoted}" }}}}'
