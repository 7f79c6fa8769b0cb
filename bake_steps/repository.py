"""Locks the dependencies and makes a Git repository. What fails becomes a printed command, never a failed bake."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing it takes a tenth of the hook's time, so only what needs it does
    from subprocess import CompletedProcess

LOCK_SECONDS = 120  # a first resolution over a slow network takes about 20
GIT_SECONDS = 60  # a person may have to type the passphrase of a signing key
COMMIT = 'git commit --message "First commit"'


def lock() -> None:
    """Write uv.lock from the user's own package index. ``BAKE_UV_LOCK=0`` leaves it out."""
    if os.environ.get("BAKE_UV_LOCK") == "0" or Path("uv.lock").exists():
        return
    import subprocess

    try:
        subprocess.run(["uv", "lock", "--quiet"], check=True, timeout=LOCK_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        by_hand = f"Once uv and the network are available, in {Path.cwd().name}, run: uv lock"
        print(f"Could not write uv.lock: {reason('uv', error)}. {by_hand}")


def commit(made_by_cruft: bool) -> None:
    """Make a repository with a first commit. ``BAKE_GIT_INIT=0`` leaves it out.

    Inside another repository, nothing is done. If Git does not know the user, the commit is left to them.
    """
    if os.environ.get("BAKE_GIT_INIT") == "0":
        return
    folder = Path.cwd().name
    by_hand = f"In {folder}, run: git init && git add --all && {COMMIT}"
    if made_by_cruft:
        print(f"Made no Git repository, because cruft has yet to write .cruft.json. {by_hand}")
        return
    import subprocess

    try:
        if "not a git repository" not in git("rev-parse", "--is-inside-work-tree").stderr:
            return
        for arguments in (("-c", "init.defaultBranch=main", "init"), ("add", "--all")):
            done = git(*arguments)
            if done.returncode:
                print(f"git {arguments[-1]} failed: {done.stderr.strip()}. {by_hand}")
                return
        done = git("-c", "user.useConfigOnly=true", "commit", "--message", "First commit")
    except (OSError, subprocess.SubprocessError) as error:
        print(f"Could not make a Git repository: {reason('git', error)}. {by_hand}")
        return
    if done.returncode:
        said = (done.stderr or done.stdout).strip().partition("\n")[0]
        print(f"Made a Git repository and staged all files, but could not commit: {said}.")
        print(f"Once that is fixed, in {folder}, run: {COMMIT}")
    else:
        print("Made a Git repository with a first commit on the branch main.")


def git(*arguments: str) -> "CompletedProcess[str]":
    """Run git in the project's folder, with its messages in English."""
    import subprocess

    return subprocess.run(
        ["git", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "LC_ALL": "C"},
        timeout=GIT_SECONDS,
        check=False,
    )


def reason(program: str, error: Exception) -> str:
    """Return why the program could not be run or failed."""
    return f"{program} is not installed" if isinstance(error, FileNotFoundError) else str(error)
