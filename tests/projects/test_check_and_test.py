"""Every pair of broker, database and Django version, and every other choice, makes a project that passes its checks."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.baking import Project
from tests.covering import INSTALLED, Variant, name_of
from tests.servers import postgresql

Installed = Callable[..., Project]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with postgresql(tmp_path_factory.mktemp("postgresql")) as port:
        yield port


@pytest.fixture(params=INSTALLED, ids=name_of)
def project(installed: Installed, tmp_path: Path, request: pytest.FixtureRequest) -> Project:
    variant: Variant = request.param
    project = installed(tmp_path, **variant)
    if variant["database"] == "postgresql":
        port = request.getfixturevalue("server")
        project.set_env(DATABASE_URL=f"postgresql://postgres@127.0.0.1:{port}/my_project")
    return project


def test_the_project_s_own_checks_and_tests_pass(project: Project) -> None:
    checks, tests = project.make("check").stdout, project.make("test-all").stdout

    assert "No changes detected" in checks
    assert "no issues" in checks
    assert " passed" in tests
    assert " failed" not in tests
