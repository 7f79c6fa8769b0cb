"""What the tests in containers share."""

from pathlib import Path

import pytest

from tests.conftest import missing
from tests.containers.stack import has_engine

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder: `make test` leaves them to `make test-containers`."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker("containers")


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """An engine that runs containers, without which nothing here can be said."""
    if not has_engine():
        missing("no Docker engine with Compose answers")
