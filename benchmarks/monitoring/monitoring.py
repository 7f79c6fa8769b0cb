"""What it costs a task that its worker is watched: ``make bench-monitoring``. It needs Linux, redis-server and PostgreSQL."""

import argparse
import json
from pathlib import Path
from statistics import median

from benchmarks.baked_site import site
from tests.baking import Project
from tests.servers import free_port

HERE = Path(__file__).parent
WORKER = "-A config worker --include probes --queues default --concurrency 2 --without-gossip --without-mingle --without-heartbeat --loglevel INFO"
# What of a worker can be seen: nothing, its reports to the overview, those and figures that are read every five seconds, those and
# errors, and Celery's events in the place of all that, which no one reads. The first is what the others are compared with.
KINDS = ("nothing", "reports", "figures", "sentry", "events")
Figures = dict[str, float]


def measure(project: Project, kind: str, count: int, broker: int, database: str) -> Figures:
    """What `project/measure_monitoring.py` prints of one kind."""
    url = f"redis://127.0.0.1:{broker}/0"
    variables = {
        "APP": "config",
        "DJANGO_SETTINGS_MODULE": "monitoring_settings",
        "CELERY_BROKER_URL": url,
        "CELERY_RESULT_BACKEND": url,
        "DATABASE_URL": database,
        "DJANGO_ALLOWED_HOSTS": "localhost",
        "EMAIL_URL": "smtp://localhost",
        "KIND": kind,
        "SENTRY_DSN": f"http://key@127.0.0.1:{free_port()}/1" if kind == "sentry" else "",
        "METRICS_LISTEN": f"127.0.0.1:{free_port()}" if kind == "figures" else "",
    }
    project.run(project.interpreter, "manage.py", "migrate", "--verbosity", "0", check=True, **variables)
    command = (project.interpreter, "measure_monitoring.py", str(count), *WORKER.split())
    done = project.run(*command, check=True, **variables)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def report(rounds: int, count: int) -> None:
    """Print the medians of all rounds, and the ratios to a worker that nobody sees in the same round."""
    with site(HERE.parent / "throughput/project", HERE / "project", monitoring="prometheus") as (
        project,
        broker,
        databases,
    ):
        database = databases["PostgreSQL"]
        found = []
        for turn in range(rounds):
            kinds = KINDS if turn % 2 else tuple(reversed(KINDS))
            found.append({kind: measure(project, kind, count, broker, database) for kind in kinds})
        scrape = measure(project, "figures", 0, broker, database)
    print(f"{'':12} {'run a second':>14} {'ratio':>22} {'CPU a task, ms':>16} {'ratio':>22}")
    for kind in KINDS:
        columns = []
        for figure, digits in (("rate", 0), ("cpu", 3)):
            ratios = [turn[kind][figure] / turn[KINDS[0]][figure] for turn in found]
            spread = f"{median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
            columns.append(f"{median(turn[kind][figure] for turn in found):14.{digits}f} {spread:>24}")
        print(f"{kind:12} {'  '.join(columns)}")
    print(f"a scrape with 100 names of tasks: {scrape['scrape']:.1f} ms of CPU, {scrape['lines']:.0f} lines")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure what it costs a task that its worker is watched.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--count", type=int, default=20_000, help="tasks a round and kind (default: 20000)")
    arguments = parser.parse_args()
    report(arguments.rounds, arguments.count)
