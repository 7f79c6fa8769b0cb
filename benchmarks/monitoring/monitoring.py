"""What it costs a task that its worker is watched: ``make bench-monitoring``. It needs Linux, redis-server and PostgreSQL.

The costs are a few hundredths, and the speed of a small machine changes by more from one minute to the next. So two workers are
measured at the same time, each with a Redis and a PostgreSQL of its own, and change places from round to round.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.baked_site import Figures, Site, print_ratios, site
from tests.servers import free_port

HERE = Path(__file__).parent
WORKER = "-A config worker --include probes --queues default --concurrency 2 --without-gossip --without-mingle --without-heartbeat --loglevel INFO"
# What of a worker can be seen: nothing but lines of plain text, its reports to the overview, lines of JSON with the ids of requests,
# figures that are read as often as Prometheus does, errors, all of this, and Celery's events in its place, which no one reads.
# "received" is nothing, with Celery's line for each task that it receives, which a project leaves out.
KINDS = ("nothing", "received", "reports", "logs", "figures", "sentry", "all", "events")
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


def side_by_side(sites: list[Site], kinds: tuple[str, str], count: int, rounds: int) -> list[dict[str, Figures]]:
    """Measure both kinds at the same time, each in one of two sites, and in the other one in the next round."""
    found = []
    with ThreadPoolExecutor(2) as threads:
        for turn in range(rounds):
            both = threads.map(lambda kind, baked: measure(baked, kind, count), kinds, sites[:: (-1) ** turn])
            found.append(dict(zip(kinds, both, strict=True)))
    return found


def report(rounds: int, count: int, against: str, kinds: list[str]) -> None:
    """Print the medians of all rounds, and the ratios to the kind that was measured at the same time."""
    programs = HERE.parent / "throughput/project", HERE / "project"
    with site(*programs, monitoring="prometheus") as one, site(*programs, monitoring="prometheus") as other:
        for kind in kinds:
            pair = against, kind
            print_ratios("", pair, COLUMNS, side_by_side([one, other], pair, count, rounds))
        scrape = measure(one, "figures", 0)
    print(f"a scrape with 100 names of tasks: {scrape['scrape']:.1f} ms of CPU, {scrape['lines']:.0f} lines")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure what it costs a task that its worker is watched.")
    parser.add_argument("--rounds", type=int, default=6, help="rounds, an even number (default: 6)")
    parser.add_argument("--count", type=int, default=10_000, help="tasks a round and worker (default: 10000)")
    parser.add_argument("--against", choices=KINDS, default=KINDS[0], help="what the others are compared with")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS[1:], help="the others (default: all)")
    arguments = parser.parse_args()
    report(arguments.rounds, arguments.count, arguments.against, arguments.kinds)
