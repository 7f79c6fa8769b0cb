"""How many tasks a worker does, against the best-known Django template's settings: ``make bench-throughput``.

Both run in the same baked project, on the same Redis, in turn: in each round one and then the other, and the other way
round in the next. A figure is a ratio of two that were measured in one round. README.md in this folder says what was
found. It needs Linux, for /proc, and a redis-server.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from tests.baking import Project, bake_into, install
from tests.servers import redis

HERE = Path(__file__).parent
# What compose.production.yaml starts, but for the number of processes; and what the other template's production does.
OWN = "-A config worker --include probes --queues default --concurrency 2 --without-gossip --without-mingle --without-heartbeat --loglevel INFO"
REFERENCE = "-A reference_app worker --include probes --concurrency 2 --loglevel INFO"
# The app's module, the settings, the queue and the worker's arguments of each side.
SIDES = {
    "own": ("config", "own_settings", "default", OWN),
    "reference": ("reference_app", "reference_settings", "celery", REFERENCE),
}
TARGET = 2.5
Figures = dict[str, Any]


def measure(project: Project, url: str, side: str, count: int) -> Figures:
    """What `project/measure.py` prints of one side."""
    app, settings, queue, worker = SIDES[side]
    variables = {
        "APP": app,
        "DJANGO_SETTINGS_MODULE": settings,
        "CELERY_BROKER_URL": url,
        "CELERY_RESULT_BACKEND": url,
        "DJANGO_ALLOWED_HOSTS": "localhost",
        "EMAIL_URL": "smtp://localhost",
        "STAMPS": str(project.path / "stamps"),
    }
    python = project.interpreter
    done = project.run(python, "measure.py", str(count), queue, *worker.split(), check=True, **variables)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def rounds(number: int, count: int) -> list[dict[str, Figures]]:
    """The figures of both sides, a round after the other."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = install(bake_into(folder / "bake", broker="redis"), folder)
        shutil.copytree(HERE / "project", project.path, dirs_exist_ok=True)
        with redis(folder) as port:
            url = f"redis://127.0.0.1:{port}/0"
            found = []
            for turn in range(number):
                sides = list(SIDES) if turn % 2 else list(reversed(SIDES))
                found.append({side: measure(project, url, side, count) for side in sides})
    return found


def report(found: list[dict[str, Figures]]) -> None:
    """Print the medians of all rounds, and the ratios within a round."""

    def percentile(name: str, percent: int) -> Figures:
        values = [{side: quantiles(turn[side][name], n=100)[percent - 1] for side in SIDES} for turn in found]
        return {side: [value[side] for value in values] for side in SIDES}

    def plain(name: str) -> Figures:
        return {side: [turn[side][name] for turn in found] for side in SIDES}

    rows = {
        "no-op tasks a second": plain("rate"),
        "CPU a task, ms": plain("cpu"),
        "enqueued a second": plain("enqueued"),
        ".delay() at rest, p50, ms": percentile("delay", 50),
        "from .delay() to done, p50, ms": percentile("done", 50),
        "from .delay() to done, p95, ms": percentile("done", 95),
        "memory of an idle worker, MB": plain("memory"),
    }
    print(f"{'':32} {'own':>8} {'reference':>10} {'own / reference':>16}   smallest to largest, {len(found)} pairs")
    for name, row in rows.items():
        ratios = [own / other for own, other in zip(row["own"], row["reference"], strict=True)]
        goal = f"   target: {TARGET} at least" if name.startswith("no-op") else ""
        print(
            f"{name:32} {median(row['own']):8.2f} {median(row['reference']):10.2f} {median(ratios):16.2f}"
            f"   {min(ratios):.2f} to {max(ratios):.2f}{goal}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure a worker against the best-known Django template's settings.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--count", type=int, default=3000, help="no-op tasks a round and side (default: 3000)")
    arguments = parser.parse_args()
    report(rounds(arguments.rounds, arguments.count))
