"""A running project in a browser."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.baking import Project
from tests.running.browser import chromium
from tests.running.page import Page

Installed = Callable[..., Project]


@pytest.fixture
def page(installed: Installed, tmp_path: Path) -> Iterator[Page]:
    project = installed(tmp_path / "project", broker="redis")
    project.make("migrate")
    with chromium(tmp_path) as browser:
        yield Page(project, browser, tmp_path)
