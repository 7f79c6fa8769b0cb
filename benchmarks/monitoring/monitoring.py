"""What it costs a task that its worker is watched: ``make bench-monitoring``. It needs Linux, redis-server and PostgreSQL."""

import argparse
from pathlib import Path

from benchmarks.baked_site import Figures, Site, in_turn, print_ratios, site
from tests.servers import free_port

HERE = Path(__file__).parent
WORKER = "-A config worker --include probes --queues default --concurrency 2 --without-gossip --without-mingle --without-heartbeat --loglevel INFO"
# What of a worker can be seen: nothing but lines of plain text, its reports to the overview, lines of JSON with the ids of requests,
# figures that are read every five seconds, errors, all of this, and Celery's events in its place, which no one reads. The first is
# what the others are compared with.
KINDS = ("nothing", "reports", "logs", "figures", "sentry", "all", "events")
COLUMNS = {"rate": ("run a second", 0), "cpu": ("CPU a task, ms", 3)}


def measure(baked: Site, kind: str, count: int) -> Figures:
    """What `project/measure_monitoring.py` prints of one kind."""
    variables = {
        "DJANGO_SETTINGS_MODULE": "monitoring_settings",
        "KIND": kind,
        "SENTRY_DSN": f"http://key@127.0.0.1:{free_port()}/1" if kind in ("sentry", "all") else "",
        "METRICS_LISTEN": f"127.0.0.1:{free_port()}" if kind in ("figures", "all") else "",
    }
    return baked.measure("measure_monitoring.py", str(count), *WORKER.split(), database="PostgreSQL", **variables)


def report(rounds: int, count: int, kinds: list[str]) -> None:
    """Print the medians of all rounds, and the ratios to a worker that nobody sees in the same round."""
    with site(HERE.parent / "throughput/project", HERE / "project", monitoring="prometheus") as baked:
        print_ratios("", kinds, COLUMNS, in_turn(kinds, rounds, lambda kind: measure(baked, kind, count)))
        scrape = measure(baked, "figures", 0)
    print(f"a scrape with 100 names of tasks: {scrape['scrape']:.1f} ms of CPU, {scrape['lines']:.0f} lines")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure what it costs a task that its worker is watched.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--count", type=int, default=20_000, help="tasks a round and kind (default: 20000)")
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=KINDS, help="the first is what the others are compared with"
    )
    arguments = parser.parse_args()
    report(arguments.rounds, arguments.count, arguments.kinds)
