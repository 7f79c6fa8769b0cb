"""What the tests of failovers share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.baking import Project
from tests.running.failover.cluster import Cluster
from tests.running.failover.sentinels import SENTINEL_PASSWORD, Sentinels
from tests.running.faults.conftest import Team, team_of

Installed = Callable[..., Project]
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder: `make test` leaves them to `make test-faults`."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker("faults")


@pytest.fixture(params=["sentinel", "cluster"])
def broker(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Sentinels | Cluster]:
    folder = tmp_path / "broker"
    folder.mkdir()
    own = Sentinels(folder) if request.param == "sentinel" else Cluster(folder)
    try:
        own.start()
        yield own
    finally:
        own.stop()


@pytest.fixture
def team(installed: Installed, tmp_path: Path, broker: Sentinels | Cluster, request: pytest.FixtureRequest) -> Team:
    project = installed(tmp_path / "project", broker="redis" if broker.kind == "redis" else "rabbitmq")
    team = team_of(project, broker, tmp_path, request.node.name)
    team.environment["CELERY_BROKER_SENTINEL_PASSWORD"] = SENTINEL_PASSWORD
    return team
