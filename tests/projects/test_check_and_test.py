"""Every pair of broker, database and Django version, and every other choice, makes a project that passes its checks."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.baking import Project
from tests.covering import INSTALLED, Variant, name_of
from tests.servers import broker_of, names_in_broker, postgresql, run_tests_through_broker

Installed = Callable[..., Project]
# Where the tests that ask for a worker get one, through each broker, with either database.
THROUGH = {"redis": "postgresql", "valkey": "sqlite", "rabbitmq": "postgresql"}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with postgresql(tmp_path_factory.mktemp("postgresql")) as port:
        yield port


@pytest.mark.parametrize("variant", INSTALLED, ids=name_of)
def test_the_project_s_own_checks_and_tests_pass(
    variant: Variant, installed: Installed, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    broker, database = variant["broker"], variant["database"]
    project = installed(tmp_path / "project", **variant)
    if database == "postgresql":
        port = request.getfixturevalue("server")
        project.set_env(DATABASE_URL=f"postgresql://postgres@127.0.0.1:{port}/my_project")

    checks = project.make("check").stdout
    if THROUGH.get(broker) == database:
        with broker_of(project, broker, tmp_path):
            tests = run_tests_through_broker(project, "test-all")
            # But the queues of RabbitMQ for tasks with a countdown, which every project of a vhost shares.
            left = [name for name in names_in_broker(project, tmp_path) if not name.startswith("celery_delayed_")]
            assert left == []
    else:
        tests = project.make("test-all").stdout

    assert "No changes detected" in checks
    assert "no issues" in checks
    assert " passed" in tests
    assert " failed" not in tests
