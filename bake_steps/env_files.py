"""Writes `.env`, `.env.production` and `.env.kubernetes` from the tracked example beside each. Nothing in them is ever lost."""

import errno
import os
import stat
from pathlib import Path

from bake_steps import env_text
from bake_steps.answers_file import Answers

ENV_FILES = (Path(".env"), Path(".env.production"), Path(".env.kubernetes"))


def asked_for() -> list[Path]:
    """The files whose example the project has."""
    return [path for path in ENV_FILES if path.with_name(f"{path.name}.example").exists()]


def write(path: Path) -> None:
    """Write ``path`` from its example, with secrets of this project alone.

    An existing file keeps every byte. What it lacks is added at its end, with its own line ends, and printed. A new
    file has LF line ends everywhere.
    """
    example = read_example(path)
    old = ""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "It is a folder")
    if path.exists():
        restrict(path)
        old = read(path)
    added = env_text.additions(example, old)
    if not added:
        return
    if not old:
        replace(path, f"{added}\n")
        return
    end = "\r\n" if "\r\n" in old else "\n"
    gap = end if old.endswith("\n") else end * 2
    replace(path, old + gap + f"{added}\n".replace("\n", end))
    present = env_text.assignments(old)
    names = [name for name in env_text.assignments(example) if name not in present]
    print(f"Added to {path}: {', '.join(names)}. Its other lines are unchanged.")


def report_changed_values(path: Path, answers: Answers, previous: Answers) -> None:
    """After a change of broker or database, name the variables whose value differs from the example's."""
    if all(previous.get(answer, answers[answer]) == answers[answer] for answer in ("broker", "database")):
        return
    names = env_text.differing(read_example(path), read(path))
    if names:
        print(f"Kept your values in {path}: {', '.join(names)}. {path}.example has the values for the new answers.")


def read_example(path: Path) -> str:
    """Return the tracked example beside ``path``, with a placeholder for each secret."""
    return env_text.with_placeholders(path.with_name(f"{path.name}.example").read_text(encoding="utf-8"))


def read(path: Path) -> str:
    """Return the file's text. Line ends, and bytes that are not UTF-8, survive a read and a write."""
    return path.read_bytes().decode("utf-8", "surrogateescape")


def restrict(path: Path) -> None:
    """Let only the owner read and write the file."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        path.chmod(mode & 0o600)
        print(f"Made {path} readable by its owner only. Its mode was {mode:04o}.")


def replace(path: Path, text: str) -> None:
    """Replace the file by ``text`` in one step, readable by its owner only (0600).

    If this is interrupted, the file is the old one or the new one. A link stays a link; its target is replaced.
    """
    target = path.resolve()
    scratch = target.with_name(f"{target.name}.new")  # .gitignore names it: a killed process leaves it
    scratch.unlink(missing_ok=True)
    try:
        new = os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(new, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)
            if target.exists():  # a new file can be written again; waiting for the disk would double the hook's time
                file.flush()
                os.fsync(file.fileno())
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)
