"""Tries a project with the newest releases of the libraries that ``background/`` overrides, without the caps.

``make test-newest`` and the weekly CI run it. It says which rows of ``background/UPSTREAM.md`` to reread for each release
that is newer than the one that was read, then runs the project's own checks and tests. Exit status 1 means that these failed.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.baking import MAKE, UV, bake_into, clean_environment

CAPPED = ("celery", "kombu", "django-celery-beat")
CAP = re.compile(rf'^(    "(?:{"|".join(CAPPED)})(?:\[redis\])?)~=([\d.]+)"', re.MULTILINE)


def uncap(project: Path) -> None:
    """Allow every release that is not older than the one that was read."""
    metadata = project / "pyproject.toml"
    text, caps = CAP.subn(r'\1>=\2"', metadata.read_text(encoding="utf-8"))
    if caps != len(CAPPED):
        raise SystemExit(f"{caps} caps were found in pyproject.toml, and there should be {len(CAPPED)}.")
    metadata.write_text(text, encoding="utf-8")


def newer(project: Path, locked: dict[str, str]) -> list[str]:
    """For each library of which another minor release is locked than was read: what to reread."""
    text = (project / "background/UPSTREAM.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]
    found = []
    for name, version in locked.items():
        of_library = [row for row in rows if row[2].lower().startswith(f"{name} ")]
        read = {row[2].split()[1] for row in of_library}
        if all(one.split(".")[:2] == version.split(".")[:2] for one in read):
            continue
        found.append(
            f"{name} {version} is out, and {', '.join(sorted(read))} was read. Reread in background/UPSTREAM.md:"
        )
        found += [f"  {row[0]}: {row[4]}" for row in of_library]
    return found


def main() -> int:
    os.environ["BAKE_UV_LOCK"] = os.environ["BAKE_GIT_INIT"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        project = bake_into(Path(folder) / "bake", broker="redis")
        uncap(project)
        environment = clean_environment()

        def run(*command: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(command, cwd=project, env=environment, text=True, check=False)

        run(UV, "sync", "--quiet", "--upgrade").check_returncode()
        lock = (project / "uv.lock").read_text(encoding="utf-8")
        locked = dict(re.findall(r'^name = "([^"]+)"\nversion = "([^"]+)"', lock, re.MULTILINE))
        versions = {name: locked[name] for name in CAPPED}
        print("Tried:", ", ".join(f"{name} {version}" for name, version in versions.items()), flush=True)
        report = newer(project, versions)
        failed = run(*MAKE, "check", "test-all").returncode
    print(*report or ["Each is of the minor release that was read."], sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
