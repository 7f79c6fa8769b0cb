"""Measures a worker that is watched: ``python measure_monitoring.py COUNT WORKER...``. It prints what ``measure.under_load`` returns.

With COUNT 0 it prints the milliseconds of CPU of a scrape instead.
"""

import gzip
import json
import os
import sys
import threading
import time
from contextlib import suppress
from urllib.request import Request, urlopen

from measure import cpu, running, under_load, wait_until
from redis import Redis

ADDRESS = os.environ.get("METRICS_LISTEN", "")
SCRAPES = 20
# What Prometheus 3.5 asks for.
HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;"
    "q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    "Accept-Encoding": "gzip",
}
INTERVAL = 15.0  # seconds between two scrapes, as in deploy/monitoring


def scrape() -> int:
    """Read the figures; return how many lines there are. 0 if nobody answers."""
    with suppress(OSError), urlopen(Request(f"http://{ADDRESS}/metrics", headers=HEADERS), timeout=10) as answer:
        return len(gzip.decompress(answer.read()).splitlines())
    return 0


def scrape_again_and_again() -> None:
    time.sleep(INTERVAL / 2)
    while True:
        scrape()
        time.sleep(INTERVAL)


def cost_of_a_scrape(worker: list[str]) -> dict[str, float]:
    """With a worker that has nothing to do."""
    with running(worker) as pid:
        wait_until(scrape, "the figures")
        time.sleep(2)
        before, begin = cpu(pid), time.monotonic()
        time.sleep(4)
        at_rest = (cpu(pid) - before) / (time.monotonic() - begin)  # seconds of CPU a second
        before, begin = cpu(pid), time.monotonic()
        lines = [scrape() for _ in range(SCRAPES)]
        spent = cpu(pid) - before - at_rest * (time.monotonic() - begin)
    return {"scrape": spent / SCRAPES * 1000, "lines": lines[-1]}


if __name__ == "__main__":
    count, worker = int(sys.argv[1]), sys.argv[2:]
    broker = Redis.from_url(os.environ["CELERY_BROKER_URL"])
    broker.flushall()
    if count:
        if ADDRESS:
            threading.Thread(target=scrape_again_and_again, daemon=True).start()
        print(json.dumps(under_load(worker, count, "default", broker)))
    else:
        print(json.dumps(cost_of_a_scrape(worker)))
