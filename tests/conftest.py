"""What the tests share."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.baking import Project, bake_into, has_python, install, once

# A bake of the tests asks no package index, as `install` locks once for each set of dependencies, and commits nothing.
os.environ["BAKE_UV_LOCK"] = os.environ["BAKE_GIT_INIT"] = "0"

# The tables of what tests counted and measured, with their headers. A test adds a row by ``record_property``.
TABLES = {
    "tasks": f"{'fault':62} {'sent':>6} {'done':>6} {'twice':>6} {'lost':>6}",
    "runs of the schedule": f"{'fault':62} {'due':>5} {'sent':>5} {'twice':>5} {'missed':>6} {'next leader':>12}",
    "failovers": f"{'fault; the last three are the longest, in seconds':66} {'failovers':>9} {'sent':>9} {'again':>9} {'lost':>9} {'refused':>9}"
    f" {'no start':>9} {'not sent':>9} {'refusal':>9}",
    "scaling": "",
    "containers": "",
}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables, also when the tests ran in several processes."""
    reports = [report for group in terminalreporter.stats.values() for report in group]
    # The report of a test's teardown has all of its properties.
    last = [report for report in reports if getattr(report, "when", "") == "teardown"]
    for title, header in TABLES.items():
        if rows := [row for report in last for name, row in report.user_properties if name == title]:
            terminalreporter.section(title)
            for row in filter(None, [header, *rows]):
                terminalreporter.line(row)


def missing(reason: str) -> NoReturn:
    """Skip the test because this machine lacks something. With ``REQUIRE_SERVICES=1`` fail it instead."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(f"{reason}, and REQUIRE_SERVICES=1", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder that all processes of this test run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if hasattr(request.config, "workerinput") else own


@pytest.fixture(scope="session")
def bake(shared: Path) -> Callable[..., Path]:
    """Bake a set of answers, once in this test run. Tests read the project and must not change it."""

    def bake_once(**answers: Any) -> Path:
        key = hashlib.sha256(json.dumps(answers, sort_keys=True).encode()).hexdigest()[:12]
        folder = shared / f"bake-{key}"
        once(folder, lambda: bake_into(folder, **answers))
        return next(path for path in folder.iterdir() if path.is_dir())

    return bake_once


@pytest.fixture(scope="session")
def installed(shared: Path) -> Callable[..., Project]:
    """Bake a set of answers into a folder of the caller's, and install it. The project may be changed."""

    def bake_and_install(folder: Path, **answers: Any) -> Project:
        if answers.get("django_version") == "6.0" and not has_python("3.12"):
            missing("Django 6.0 needs Python 3.12 or newer, and none is on the path")
        return install(bake_into(folder, **answers), shared)

    return bake_and_install
