"""What benchmarks share: a baked project, a Redis, and both databases."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.baking import Project, bake_into, install
from tests.servers import postgresql, redis


class Site(NamedTuple):
    """A project that is installed, the port of its Redis, and the URL of each database by name."""

    project: Project
    broker: int
    databases: dict[str, str]


@contextmanager
def site(*programs: Path, **answers: Any) -> Iterator[Site]:
    """Bake a project with Redis and PostgreSQL, and copy the files of these folders into it."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        project = install(bake_into(folder / "bake", broker="redis", database="postgresql", **answers), folder)
        for program in programs:
            shutil.copytree(program, project.path, dirs_exist_ok=True)
        broker = stack.enter_context(redis(folder))
        server = stack.enter_context(postgresql(folder))
        databases = {
            "SQLite": f"sqlite:///{folder}/db.sqlite3",
            "PostgreSQL": f"postgresql://postgres@127.0.0.1:{server}/postgres",
        }
        yield Site(project, broker, databases)
