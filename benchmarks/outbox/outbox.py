"""What the outbox costs, against enqueueing on commit: ``make bench-outbox``. It needs a redis-server and PostgreSQL."""

import argparse
import json
from pathlib import Path
from statistics import median

from benchmarks.baked_site import site
from tests.baking import Project

HERE = Path(__file__).parent


def measure(project: Project, broker: int, database: str) -> dict[str, float]:
    """What `project/measure_outbox.py` prints."""
    variables = {
        "DJANGO_SETTINGS_MODULE": "config.settings.development",
        "CELERY_BROKER_URL": f"redis://127.0.0.1:{broker}/1",
        "DATABASE_URL": database,
    }
    project.run(project.interpreter, "manage.py", "migrate", "--verbosity", "0", check=True, **variables)
    done = project.run(project.interpreter, "measure_outbox.py", check=True, **variables)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def report(rounds: int) -> None:
    """Print the medians of all rounds on each database."""
    with site(HERE / "project") as (project, broker, databases):
        print(f"{'':12} {'on commit':>12} {'in transaction':>16} {'ratio':>8} {'10,000 rows':>12} {'idle':>8}")
        for database, url in databases.items():
            found = [measure(project, broker, url) for _ in range(rounds)]
            ratio = median(each["in transaction"] / each["on commit"] for each in found)
            commit, own, relay, idle = (median(each[key] for each in found) for key in found[0])
            print(f"{database:12} {commit:10.0f}/s {own:14.0f}/s {ratio:8.2f} {relay:10.1f} s {idle:6.2f} %")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the outbox against enqueueing on commit.")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: 3)")
    report(parser.parse_args().rounds)
