"""What the tests in containers share."""

from pathlib import Path

import pytest

from tests.conftest import missing
from tests.containers.stack import has_engine

HERE = Path(__file__).parent
FIGURES = pytest.StashKey[list[str]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder: `make test` leaves them to `make test-containers`."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker("containers")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was counted and measured."""
    if figures := config.stash[FIGURES]:
        terminalreporter.section("containers")
        for line in figures:
            terminalreporter.line(line)


@pytest.fixture
def figures(pytestconfig: pytest.Config) -> list[str]:
    """Lines that are printed at the end."""
    return pytestconfig.stash[FIGURES]


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """An engine that runs containers, without which nothing here can be said."""
    if not has_engine():
        missing("no Docker engine with Compose answers")
