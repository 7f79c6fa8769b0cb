"""What benchmarks share: a baked project, a Redis and both databases, kinds that are measured in turn, and a table of their ratios."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from tests.baking import Project, bake_into, install
from tests.servers import postgresql, redis

Figures = dict[str, float]


class Site(NamedTuple):
    """A project that is installed, the port of its Redis, and the URL of each database by name."""

    project: Project
    broker: int
    databases: dict[str, str]

    def measure(self, program: str, *arguments: str, database: str, **variables: str) -> Figures:
        """Migrate, run a program of the project with the settings of production, and return what it prints last."""
        url = f"redis://127.0.0.1:{self.broker}/0"
        environment = {
            "APP": "config",
            "CELERY_BROKER_URL": url,
            "CELERY_RESULT_BACKEND": url,
            "DATABASE_URL": self.databases[database],
            "DJANGO_ALLOWED_HOSTS": "localhost",
            "EMAIL_URL": "smtp://localhost",
            **variables,
        }
        python = self.project.interpreter
        self.project.run(python, "manage.py", "migrate", "--verbosity", "0", check=True, **environment)
        done = self.project.run(python, program, *arguments, check=True, **environment)
        figures: Figures = json.loads(done.stdout.splitlines()[-1])
        return figures


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


def in_turn(kinds: Sequence[str], rounds: int, measure: Callable[[str], Figures]) -> list[dict[str, Figures]]:
    """Measure each kind in each round, every other round from the last to the first."""
    return [{kind: measure(kind) for kind in (kinds if turn % 2 else kinds[::-1])} for turn in range(rounds)]


def print_ratios(
    title: str, kinds: Sequence[str], columns: dict[str, tuple[str, int]], found: list[dict[str, Figures]]
) -> None:
    """Print the median of each figure, and that of its ratio to the first kind in the same round, with the smallest and largest.

    ``columns`` says of each figure its heading, and how many digits it has behind the point.
    """
    print(f"{title:20}", "".join(f"{heading:>20} {'ratio':>22}" for heading, _ in columns.values()))
    for kind in kinds:
        cells = []
        for figure, (_, digits) in columns.items():
            ratios = [turn[kind][figure] / turn[kinds[0]][figure] for turn in found]
            spread = f"{median(ratios):.3f} ({min(ratios):.2f} to {max(ratios):.2f})"
            cells.append(f"{median(turn[kind][figure] for turn in found):20.{digits}f} {spread:>22}")
        print(f"{kind:20}", "".join(cells))
