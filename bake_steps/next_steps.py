"""Says where the project is, and what to type next."""

import os
import shlex
from pathlib import Path

from bake_steps.answers_file import Answers


def show(answers: Answers) -> None:
    """Print the project's folder, as it can be typed where cookiecutter was called, and two commands."""
    folder = Path.cwd()
    # The hook's own working directory is the project. The shell's is in this variable.
    caller = Path(os.environ.get("PWD") or folder)
    typed = folder.relative_to(caller) if folder.is_relative_to(caller) and folder != caller else folder
    print(f"The project is in {typed}. To start it, type:")
    print(f"  cd {shlex.quote(str(typed))}")
    print("  make run" if answers["broker"] == "none" else "  make up")
