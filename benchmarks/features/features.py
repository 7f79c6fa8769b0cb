"""What each feature costs a task that uses it, against one that does not: ``make bench-features``. It needs redis-server and PostgreSQL."""

import argparse
import json
from pathlib import Path
from statistics import median

from benchmarks.baked_site import site
from tests.baking import Project

HERE = Path(__file__).parent
WORKER = "-A config worker --include probes --concurrency 1 --without-gossip --without-mingle --without-heartbeat --loglevel WARNING"
# The kinds of `project/probes.py`. The first is what the others are compared with.
KINDS = ("a task", "without the hook", "without reports", "one at a time", "fails", "django", "django kept")
Figures = dict[str, float]


def measure(project: Project, kind: str, count: int, broker: int, database: str) -> Figures:
    """What `project/measure_features.py` prints of one kind."""
    url = f"redis://127.0.0.1:{broker}/0"
    variables = {
        "APP": "config",
        "DJANGO_SETTINGS_MODULE": "features_settings",
        "CELERY_BROKER_URL": url,
        "CELERY_RESULT_BACKEND": url,
        "DATABASE_URL": database,
        "DJANGO_ALLOWED_HOSTS": "localhost",
        "EMAIL_URL": "smtp://localhost",
        "KIND": kind,
    }
    project.run(project.interpreter, "manage.py", "migrate", "--verbosity", "0", check=True, **variables)
    done = project.run(project.interpreter, "measure_features.py", str(count), *WORKER.split(), check=True, **variables)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def report(rounds: int, count: int) -> None:
    """Print the medians of all rounds on each database, and the ratios to a task that uses nothing in the same round."""
    programs = (HERE.parent / "throughput/project", HERE / "project")
    with site(*programs, django_version="6.0") as (project, broker, databases):
        for database, url in databases.items():
            found = []
            for turn in range(rounds):
                kinds = KINDS if turn % 2 else tuple(reversed(KINDS))
                found.append({kind: measure(project, kind, count, broker, url) for kind in kinds})
            print(f"{database:20} {'run a second':>14} {'ratio':>22} {'enqueued a second':>20} {'ratio':>22}")
            for kind in KINDS:
                columns = []
                for figure in ("rate", "enqueued"):
                    ratios = [turn[kind][figure] / turn[KINDS[0]][figure] for turn in found]
                    spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
                    columns.append(f"{median(turn[kind][figure] for turn in found):14.0f} {spread:>22}")
                print(f"{kind:20} {'      '.join(columns)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure what each feature costs a task that uses it.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--count", type=int, default=1000, help="tasks a round and kind (default: 1000)")
    arguments = parser.parse_args()
    report(arguments.rounds, arguments.count)
