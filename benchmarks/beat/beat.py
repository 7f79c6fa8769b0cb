"""What a scheduler costs by the number of entries, stock and ours: ``make bench-beat``.

Both run in the same baked project, in turn, on the same database and the same Redis. README.md in this folder says what
was found. It needs Linux or macOS, a redis-server, and for PostgreSQL its programs.
"""

import argparse
import json
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.baking import Project, bake_into, install
from tests.servers import postgresql, redis

HERE = Path(__file__).parent
SIDES = {"stock": "django_celery_beat.schedulers:DatabaseScheduler", "own": "background.beat.scheduler:Scheduler"}
DATABASES = ("sqlite", "postgresql")
COUNTS = (10, 1_000, 10_000, 50_000)
Figures = dict[str, float]


def measure(project: Project, url: str, broker: str, count: int, seconds: float) -> dict[str, Figures]:
    """The figures of both sides with so many entries."""
    python = project.interpreter
    variables = {
        "DATABASE_URL": url,
        "CELERY_BROKER_URL": broker,
        "DJANGO_SETTINGS_MODULE": "beat_settings",
    }
    project.run(python, "fill.py", str(count), check=True, **variables)
    return {
        side: json.loads(
            project.run(python, "measure.py", name, str(seconds), check=True, **variables).stdout.splitlines()[-1]
        )
        for side, name in SIDES.items()
    }


def measurements(database: str, counts: list[int], seconds: float) -> dict[int, dict[str, Figures]]:
    """The figures of both sides, for each number of entries."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        project = install(bake_into(folder / "bake", broker="redis", database=database), folder)
        shutil.copytree(HERE / "project", project.path, dirs_exist_ok=True)
        broker = f"redis://127.0.0.1:{stack.enter_context(redis(folder))}/0"
        url = f"sqlite:///{folder}/db.sqlite3"
        if database == "postgresql":
            url = f"postgresql://postgres@127.0.0.1:{stack.enter_context(postgresql(folder))}/postgres"
        project.make("migrate", f"DATABASE_URL={url}")
        return {count: measure(project, url, broker, count, seconds) for count in counts}


def report(database: str, found: dict[int, dict[str, Figures]]) -> None:
    """Print a row for each figure and side, and a ratio for each figure."""
    growth = f"x {max(found) / min(found):.0f}"
    print(f"\n{database:32}" + "".join(f"{count:>10,}" for count in found) + f"{growth:>10}")
    for name in found[min(found)]["own"]:
        rows = {side: [found[count][side][name] for count in found] for side in SIDES}
        rows["own / stock"] = [own / (stock or 1) for own, stock in zip(rows["own"], rows["stock"], strict=True)]
        for side, row in rows.items():
            cells = "".join(f"{value:10.2f}" for value in row)
            grown = "" if side == "own / stock" or not row[0] else f"{row[-1] / row[0]:10.2f}"
            print(f"{f'{name}, {side}':32}{cells}{grown}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Measure django-celery-beat's scheduler and ours by the number of entries."
    )
    parser.add_argument("--seconds", type=float, default=20, help="how long runs are sent (default: 20)")
    parser.add_argument("--entries", type=int, nargs="+", default=list(COUNTS), help="numbers of entries")
    parser.add_argument("--databases", nargs="+", default=list(DATABASES), choices=DATABASES)
    arguments = parser.parse_args()
    for database in arguments.databases:
        report(database, measurements(database, arguments.entries, arguments.seconds))
