"""What each feature costs a task that uses it, against one that does not: ``make bench-features``. It needs redis-server and PostgreSQL."""

import argparse
from pathlib import Path

from benchmarks.baked_site import Figures, in_turn, print_ratios, site

HERE = Path(__file__).parent
WORKER = "-A config worker --include probes --concurrency 1 --without-gossip --without-mingle --without-heartbeat --loglevel WARNING"
# The kinds of `project/probes.py`. The first is what the others are compared with.
KINDS = ("a task", "without the hook", "without reports", "one at a time", "fails", "django", "django kept")
COLUMNS = {"rate": ("run a second", 0), "enqueued": ("enqueued a second", 0)}


def report(rounds: int, count: int) -> None:
    """Print the medians of all rounds on each database, and the ratios to a task that uses nothing in the same round."""
    with site(HERE.parent / "throughput/project", HERE / "project", django_version="6.0") as baked:
        for database in baked.databases:

            def measure(kind: str, database: str = database) -> Figures:
                variables = {"KIND": kind, "DJANGO_SETTINGS_MODULE": "features_settings"}
                return baked.measure("measure_features.py", str(count), *WORKER.split(), database=database, **variables)

            print_ratios(database, KINDS, COLUMNS, in_turn(KINDS, rounds, measure))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure what each feature costs a task that uses it.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--count", type=int, default=1000, help="tasks a round and kind (default: 1000)")
    arguments = parser.parse_args()
    report(arguments.rounds, arguments.count)
