"""Locks the dependencies and makes a Git repository. What fails becomes a printed command, never a failed bake."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bake_steps.answers_file import Answers

if TYPE_CHECKING:  # importing it takes a tenth of the hook's time, so only what needs it does
    from subprocess import CompletedProcess

LOCK_SECONDS = 60.0  # a first resolution over a slow network takes about 20
SILENT_SECONDS = 5.0  # after which a person is told what is waited for
GIT_SECONDS = 60  # a person may have to type the passphrase of a signing key
COMMIT = 'git commit --message "First commit"'


def lock() -> None:
    """Write uv.lock from the user's own package index. ``BAKE_UV_LOCK=0`` leaves it out."""
    if os.environ.get("BAKE_UV_LOCK") == "0" or Path("uv.lock").exists():
        return
    if why := why_not_locked():
        print(
            f"Could not write uv.lock: {why}. Once uv and the network are available, in {Path.cwd().name}, run: uv lock"
        )


def report_changed_dependencies(answers: Answers, previous: Answers) -> None:
    """Name the command that is due if a change of answers has changed the dependencies of a project that is locked."""
    if not previous or not Path("uv.lock").exists():
        return
    if dependencies(previous) != dependencies(answers):
        print(f"The dependencies have changed. In {Path.cwd().name}, run: uv lock")


def dependencies(answers: Answers) -> tuple[object, ...]:
    """What pyproject.toml's dependencies follow from."""
    return answers.get("broker") == "rabbitmq", answers.get("database"), answers.get("django_version")


def why_not_locked() -> str:
    """Run ``uv lock``. Return why that failed, or nothing."""
    import subprocess

    try:
        uv = subprocess.Popen(["uv", "lock", "--quiet"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    except OSError as error:
        return reason("uv", error)
    with uv:
        try:
            try:
                said = uv.communicate(timeout=SILENT_SECONDS)[1]
            except subprocess.TimeoutExpired:
                print("uv finds out which versions fit together. To skip this, press Ctrl+C.", flush=True)
                said = uv.communicate(timeout=LOCK_SECONDS - SILENT_SECONDS)[1]
        except subprocess.TimeoutExpired:
            uv.kill()
            return f"the package index did not answer within {LOCK_SECONDS:.0f} seconds"
        except KeyboardInterrupt:
            uv.kill()
            return "it was skipped"
    return (" ".join(said.split())[:300] or f"uv ended with status {uv.returncode}") if uv.returncode else ""


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
        said = (done.stderr or done.stdout).strip().partition("\n")[0] or "a hook of Git's ended without a word"
        print(f"Made a Git repository and staged all files, but could not commit: {said}.")
        if "identity unknown" in said:
            print("To tell Git who you are: git config --global user.name NAME; git config --global user.email ADDRESS")
        print(f"Once that is fixed, in {folder}, run: {COMMIT}")


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
