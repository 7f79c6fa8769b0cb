"""A first bake ends with a git repository, where there is a git that can make one, and none around the project."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.baking import UV, bake_command, rendered

Bake = Callable[..., Path]
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.com"))
}


def git(project: Path, *arguments: str) -> list[str]:
    """The lines that git prints."""
    done = subprocess.run(["git", *arguments], cwd=project, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_first_bake_ends_with_a_commit_that_has_the_lock_and_no_secret(tmp_path: Path) -> None:
    cache = subprocess.run([UV, "cache", "dir"], check=True, capture_output=True, text=True).stdout.strip()
    done = bake_command(tmp_path, BAKE_UV_LOCK="1", BAKE_GIT_INIT="1", UV_CACHE_DIR=cache, **IDENTITY)
    project = tmp_path / "my_project"

    assert done.stdout == f"The project is in {project}. To start it, type:\n  cd {project}\n  make run\n"
    assert git(project, "branch", "--show-current") == ["main"]
    assert git(project, "status", "--porcelain") == []
    assert set(git(project, "ls-files")) == {*map(Path.as_posix, rendered(project)), "uv.lock"}


def test_a_second_bake_commits_nothing(tmp_path: Path) -> None:
    for answer in ("broker=none", "broker=redis"):
        done = bake_command(tmp_path, answer, "--overwrite-if-exists", BAKE_GIT_INIT="1", **IDENTITY)

    assert done.returncode == 0
    assert "Git repository" not in done.stdout
    assert len(git(tmp_path / "my_project", "log", "--oneline")) == 1
    assert " M .env.example" in git(tmp_path / "my_project", "status", "--porcelain")


def test_a_second_bake_makes_no_repository_of_a_project_that_has_none(bake: Bake, tmp_path: Path) -> None:
    shutil.copytree(bake(), tmp_path / "my_project")

    done = bake_command(tmp_path, "--overwrite-if-exists", BAKE_GIT_INIT="1", **IDENTITY)

    assert (done.returncode, done.stdout) == (0, "")
    assert not (tmp_path / "my_project/.git").exists()


def test_no_repository_is_made_inside_another_or_when_it_is_turned_off(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")

    inside = bake_command(tmp_path, BAKE_GIT_INIT="1", **IDENTITY)
    shutil.rmtree(tmp_path / ".git")
    off = bake_command(tmp_path, "project_slug=off", BAKE_GIT_INIT="0", **IDENTITY)

    assert (inside.returncode, off.returncode) == (0, 0)
    assert "Git" not in inside.stdout + off.stdout
    assert not [*tmp_path.glob("*/.git")]


def test_for_a_person_whom_git_does_not_know_all_is_staged_and_the_command_printed(tmp_path: Path) -> None:
    done = bake_command(tmp_path, BAKE_GIT_INIT="1", GIT_CONFIG_NOSYSTEM="1")
    project = tmp_path / "my_project"

    assert done.returncode == 0
    assert "could not commit: Author identity unknown" in done.stdout
    assert "git config --global user.name NAME" in done.stdout
    assert 'in my_project, run: git commit --message "First commit"' in done.stdout
    assert set(git(project, "ls-files")) == set(map(Path.as_posix, rendered(project)))


def test_a_hook_of_git_s_that_says_nothing_is_named(tmp_path: Path) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    config = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": str(hooks)}

    done = bake_command(tmp_path, BAKE_GIT_INIT="1", **IDENTITY, **config)

    assert "could not commit: a hook of Git's ended without a word." in done.stdout


def test_without_git_or_uv_the_commands_are_printed(tmp_path: Path) -> None:
    done = bake_command(tmp_path, BAKE_UV_LOCK="1", BAKE_GIT_INIT="1", PATH=str(tmp_path))

    assert done.returncode == 0
    assert [line.rpartition("in my_project, run: ")[2] for line in done.stdout.lower().splitlines()[:2]] == [
        "uv lock",
        'git init && git add --all && git commit --message "first commit"',
    ]
