"""Bakes projects for the tests: each set of answers once, each set of dependencies installed once."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cookiecutter.main import cookiecutter
from dotenv import dotenv_values
from filelock import FileLock

TEMPLATE = Path(__file__).resolve().parents[1]
PROJECT = TEMPLATE / "{{cookiecutter.project_slug}}"
QUESTIONS: dict[str, Any] = {
    name: default
    for name, default in json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8")).items()
    if not name.startswith("_")
}
CHOICES: dict[str, list[str]] = {name: default for name, default in QUESTIONS.items() if isinstance(default, list)}
UV = shutil.which("uv") or "uv"
MAKE = ("make", "--no-print-directory", f"UV={UV}")


def bake_into(folder: Path, **answers: Any) -> Path:
    """Bake a project into ``folder`` and return its path.

    Answers that the template does not ask for are an error here: cookiecutter ignores them without a word, and a test
    would then see the default variant. The user's own configuration and replay files are left alone.
    """
    unknown = answers.keys() - QUESTIONS.keys()
    if unknown:
        raise ValueError(f"cookiecutter.json does not ask for {', '.join(sorted(unknown))}")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder.with_name(f"{folder.name}.cookiecutterrc")
    config.write_text(json.dumps({"replay_dir": f"{folder}.replay", "cookiecutters_dir": f"{folder}.cookiecutters"}))
    return Path(
        cookiecutter(
            str(TEMPLATE),
            no_input=True,
            extra_context=answers,
            output_dir=str(folder),
            config_file=str(config),
            overwrite_if_exists=True,
        )
    )


def once(folder: Path, make: Callable[[], object]) -> None:
    """Call ``make`` if no test of this run has done so for ``folder``, in whichever process."""
    done = folder.with_name(f"{folder.name}.done")
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not done.exists():
            make()
            done.touch()


def clean_environment(**variables: str) -> dict[str, str]:
    """The environment of a person who has just opened a terminal, with ``variables`` added.

    What would decide something in a project's stead is left out.
    """
    decisive = ("CELERY", "COMPOSE", "DATABASE", "DJANGO", "EMAIL", "MAKE", "PYTEST", "PYTHON", "UV_PROJECT", "VIRTUAL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(decisive)}
    return {**kept, "PYTHONUNBUFFERED": "1", **variables}


@dataclass(frozen=True)
class Project:
    """A baked project whose dependencies are installed. ``environment`` is what its commands run in."""

    path: Path
    environment: dict[str, str]

    @property
    def interpreter(self) -> str:
        """The Python of the environment in which the project is installed."""
        return str(Path(self.environment["UV_PROJECT_ENVIRONMENT"]) / "bin/python")

    def run(self, *command: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project's folder. What it printed, errors too, is in ``stdout``.

        Raises:
            AssertionError: it failed and ``check`` is true; the message is what it printed.
        """
        done = subprocess.run(
            command,
            cwd=self.path,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"{' '.join(command)} exited {done.returncode}:\n{done.stdout}"
        return done

    def make(self, *targets: str) -> subprocess.CompletedProcess[str]:
        """Run targets of the project's Makefile. A target may be a variable: ``NAME=value``."""
        return self.run(*MAKE, *targets)

    def python(self, code: str, **variables: str) -> str:
        """Run Python code with the project's Django set up; return what it printed."""
        shell = ("run", "--quiet", "manage.py", "shell", "--no-imports", "--command", code)
        return self.run(UV, *shell, check=True, **variables).stdout

    def set_env(self, **values: str) -> None:
        """Give variables of the project's .env new values, as a person would, line by line."""
        file = self.path / ".env"
        lines = file.read_text(encoding="utf-8").splitlines()
        for name, value in values.items():
            assert any(line.startswith(f"{name}=") for line in lines), f"{name} is not in .env"
            lines = [f"{name}={value}" if line.startswith(f"{name}=") else line for line in lines]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def variables(self) -> dict[str, str | None]:
        """What .env says."""
        return dict(dotenv_values(self.path / ".env"))


def install(path: Path, shared: Path) -> Project:
    """Install the project at ``path`` into the one environment that ``shared`` keeps for its set of dependencies.

    Without the network, or without a Python that is new enough, this fails with uv's own words.
    """
    metadata = (path / "pyproject.toml").read_bytes()
    environment = shared / f"environment-{hashlib.sha256(metadata).hexdigest()[:12]}"
    project = Project(path, clean_environment(UV_PROJECT_ENVIRONMENT=str(environment)))
    lock = environment.with_name(f"{environment.name}.uv.lock")

    def resolve_and_sync() -> None:
        project.run(UV, "sync")
        shutil.copy(path / "uv.lock", lock)

    once(environment, resolve_and_sync)
    if not (path / "uv.lock").exists():
        shutil.copy(lock, path / "uv.lock")
    return project


def has_python(version: str) -> bool:
    """Whether uv finds a Python of this version or newer on this machine."""
    return subprocess.run([UV, "python", "find", f">={version}"], capture_output=True, check=False).returncode == 0


def rendered(path: Path) -> list[Path]:
    """The files that git would track in the project at ``path``, by their paths in it."""
    untracked = {".env", ".env.production", ".env.kubernetes", "uv.lock"}
    files = (file.relative_to(path) for file in path.rglob("*") if file.is_file())
    return sorted(
        file for file in files if str(file) not in untracked and not {"__pycache__", ".git"} & set(file.parts)
    )


def bake_command(folder: Path, *answers: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Bake as a person does, with the ``cookiecutter`` command and answers of the form ``name=value``."""
    command = [sys.executable, "-m", "cookiecutter", str(TEMPLATE)]
    if "--replay-file" not in answers:
        command.append("--no-input")
    return subprocess.run(
        [*command, "--output-dir", str(folder), *answers],
        env=clean_environment(HOME=str(folder), USERPROFILE=str(folder), **variables),
        capture_output=True,
        text=True,
        check=False,
    )
