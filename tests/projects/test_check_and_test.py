"""Every broker, database and Django version makes a project whose own checks and tests pass."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.baking import CHOICES, Project
from tests.servers import postgresql

Installed = Callable[..., Project]
VARIANTS = list(itertools.product(CHOICES["broker"], CHOICES["database"], CHOICES["django_version"]))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with postgresql(tmp_path_factory.mktemp("postgresql")) as port:
        yield port


@pytest.fixture(params=VARIANTS, ids="-".join)
def project(installed: Installed, tmp_path: Path, request: pytest.FixtureRequest) -> Project:
    broker, database, django_version = request.param
    project = installed(tmp_path, broker=broker, database=database, django_version=django_version)
    if database == "postgresql":
        port = request.getfixturevalue("server")
        project.set_env(DATABASE_URL=f"postgresql://postgres@127.0.0.1:{port}/my_project")
    return project


def test_the_project_s_own_checks_and_tests_pass(project: Project) -> None:
    checks, tests = project.make("check").stdout, project.make("test").stdout

    assert "No changes detected" in checks
    assert "no issues" in checks
    assert " passed" in tests
    assert " failed" not in tests
