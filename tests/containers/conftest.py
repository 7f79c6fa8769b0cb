"""What the tests in containers share."""

from collections.abc import Callable
from functools import partial
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


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Have a line printed at the end."""
    return partial(record_property, "containers")


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """An engine that runs containers, without which nothing here can be said."""
    if not has_engine():
        missing("no Docker engine with Compose answers")
