"""Finishes a bake: removes what was not asked for, writes the two .env files with fresh secrets, locks the dependencies."""

import json
import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

# The one place where answers enter. `tojson` writes ASCII without a single backslash, quote or brace of their own.
ANSWERS: dict[str, object] = json.loads(r"""{{ cookiecutter | tojson }}""")
UNWANTED = (  # folders only: a file that depends on an answer has the condition in its name
    (".devcontainer", not ANSWERS["devcontainer"]),
    (".github", ANSWERS["ci"] != "github"),
)
ASSIGNMENT = re.compile(r"^(\w+)=(.*)$", re.MULTILINE)
PLACEHOLDER = re.compile(r"change-me-[a-z-]+")
LOCK_SECONDS = 120  # a first resolution over a slow network takes about 20


def remove_unwanted() -> None:
    """Remove the folders that the answers do not ask for."""
    for folder, unwanted in UNWANTED:
        if unwanted:
            shutil.rmtree(folder, ignore_errors=True)


def assignments(text: str) -> dict[str, str]:
    """The variables that an .env file sets, by name. Comments set none."""
    return dict(ASSIGNMENT.findall(text))


def missing(example: str, present: dict[str, str]) -> str:
    """The paragraphs of the example that set a variable which is not present, without the lines that are present."""
    added = []
    for paragraph in example.strip().split("\n\n"):
        lines = paragraph.split("\n")
        if set(assignments(paragraph)) - set(present):
            added.append("\n".join(line for line in lines if not set(assignments(line)) & set(present)))
    return "\n\n".join(added)


def write_env(path: Path) -> None:
    """Write ``path`` from the tracked example beside it, each placeholder replaced by a secret of this project alone.

    A file that is there keeps every line; what it lacks is added at its end, and named. The file is readable by its
    owner only (0600) and has LF line ends everywhere; it is replaced in one step, so an interruption leaves the old one.
    """
    example = path.with_name(f"{path.name}.example").read_text(encoding="utf-8")
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    present = assignments(old)
    known = {value: present[name] for name, value in assignments(example).items() if name in present}
    text = missing(example, present) if old else example.strip()
    if not text:
        return
    new_secrets = {name: known.get(name) or secrets.token_urlsafe(48) for name in set(PLACEHOLDER.findall(example))}
    text = PLACEHOLDER.sub(lambda match: new_secrets[match[0]], text)
    scratch = path.with_name(f"{path.name}.new")
    with open(
        os.open(scratch, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline="\n"
    ) as file:
        file.write(f"{old.rstrip()}\n\n{text}\n" if old else f"{text}\n")
    scratch.replace(path)
    if old:
        print(f"{path}: kept as it was, and added {', '.join(assignments(text))}.")


def lock() -> None:
    """Make uv.lock from the user's own index, or say how. ``BAKE_UV_LOCK=0`` leaves it out."""
    if os.environ.get("BAKE_UV_LOCK") == "0" or Path("uv.lock").exists():
        return
    try:
        subprocess.run(["uv", "lock", "--quiet"], check=True, timeout=LOCK_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"uv.lock was not made ({error}). When uv and the network are there, run: uv lock")


def main() -> None:
    """Finish the bake in the project's folder, which cookiecutter has made the working directory."""
    remove_unwanted()
    write_env(Path(".env"))
    write_env(Path(".env.production"))
    lock()


if __name__ == "__main__":
    main()
