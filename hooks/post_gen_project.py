"""Finishes a bake. This file says what is done in which order; the steps are in the template's folder `bake_steps/`."""

import sys
from os.path import dirname

if sys.path[0] == dirname(__file__):  # the temporary folder, where anyone may have put a json.py
    del sys.path[0]

import json
import os
import re
from pathlib import Path

# The only place where answers enter. In JSON as `tojson` writes it, no answer can end this string.
ANSWERS, TEMPLATE = json.loads(r"""[{{ cookiecutter | tojson }}, {{ template_folder | tojson }}]""")
sys.path.insert(0, TEMPLATE)

from bake_steps import answers_file, env_files, next_steps, optional_files, repository

# cruft names the template's commit.
MADE_BY_CRUFT = "_commit" in ANSWERS
# `cruft update` bakes twice into temporary folders and applies the difference, which must not hold new secrets.
FOR_COMPARISON = MADE_BY_CRUFT and re.fullmatch(r"tmp[a-z0-9_]{8}", Path.cwd().parent.name) is not None


def main() -> int:
    """Finish the bake. The working directory is the project. Returns 1 if an .env file could not be written."""
    previous = answers_file.read()
    is_first = not previous and not os.path.lexists(".env")
    optional_files.remove_unwanted(ANSWERS, previous)
    answers_file.write(ANSWERS)
    if FOR_COMPARISON:
        return 0
    for path in env_files.asked_for():
        try:
            env_files.write(path)
            env_files.report_changed_values(path, ANSWERS, previous)
        except OSError as error:
            print(f"ERROR: Could not write {path}: {error.strerror}. The file is unchanged.", file=sys.stderr)
            return 1
    repository.lock()
    repository.report_changed_dependencies(ANSWERS, previous)
    if is_first:
        repository.commit(MADE_BY_CRUFT)
        next_steps.show(ANSWERS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
