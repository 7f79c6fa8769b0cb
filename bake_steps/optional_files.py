"""Files that only one choice of an answer has. A change of that answer removes them from the project."""

import contextlib
import json
import os
from pathlib import Path

from bake_steps.answers_file import Answers

# File, answer, choice. The file's own name in the template has the same condition.
OPTIONAL_FILES = (
    (".devcontainer/devcontainer.json", "devcontainer", True),
    (".github/workflows/ci.yml", "ci", "github"),
    (".gitlab-ci.yml", "ci", "gitlab"),
)


def remove_unwanted(answers: Answers, previous: Answers) -> None:
    """Remove the files that only the previous answers asked for, and their folders if those are empty then.

    A file of such a name that no bake has made belongs to the user and stays.
    """
    for name, answer, choice in OPTIONAL_FILES:
        if answers[answer] == choice:
            continue
        file = Path(name)
        made_by_a_bake = previous.get(answer) == choice
        if made_by_a_bake and file.exists():
            file.unlink()
            print(f"Removed {name}, because {answer} is now {json.dumps(answers[answer])}.")
        for folder in list(file.parents)[:-1]:
            with contextlib.suppress(OSError):  # it does not exist, or it is not empty
                folder.rmdir()
        top = file.parts[0]
        if made_by_a_bake and os.path.exists(top):
            print(f"Kept {top}, because it contains files of your own.")
