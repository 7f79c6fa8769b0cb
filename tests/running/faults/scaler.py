"""What KEDA and Kubernetes' scaler do with a Deployment of workers, done with real workers of a project.

The figure is asked of a real web server, over HTTP. The numbers are those of ``deploy/kubernetes/scaling/``, with a shorter time:
https://keda.sh/docs/latest/concepts/scaling-deployments/ and
https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/#algorithm-details.
"""

import json
import math
import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.running.faults.conftest import WORKER, Team
from tests.servers import Process, children, free_port, wait_until

TOKEN = "the token of this test"
POLL = 1.0  # seconds; 15 in the manifests
WINDOW = 3.0  # seconds in which no higher figure was seen, before workers are stopped; 300 there
PERIOD = 3.0  # seconds between two times that half of the workers are stopped; 60 there
GRACE = 40.0  # seconds after which a worker that was asked to stop is killed; longer than its soft shutdown


class Scaler:
    """Between ``least`` and ``most`` workers of two processes, one for each ``target`` tasks, from ``start`` to ``stop``."""

    def __init__(self, team: Team, least: int, most: int, target: int) -> None:
        self.team, self.least, self.most, self.target = team, least, most, target
        self.stack = ExitStack()
        self.workers: list[Process] = []
        self.stopping: list[tuple[Process, float]] = []
        self.wanted: list[tuple[float, int]] = []  # when, and how many workers, within the window
        self.stopped = 0  # workers that the scaler has stopped
        self.busy = 0  # of those, the ones that ran a task then
        self.killed = 0  # and those that did not end in time
        self.worker_seconds = 0.0  # what a cluster would charge for
        self.turned = self.scaled_down = time.monotonic()
        self.port = free_port()

    def __enter__(self) -> "Scaler":
        serve = ("manage.py", "runserver", "--noreload", str(self.port))
        web = self.stack.enter_context(self.team.running(*serve, SCALING_TOKEN=TOKEN))
        web.wait_for(lambda: self.work() is not None, "the site")
        self.turn()
        wait_until(lambda: all(" ready." in each.output() for each in self.workers), "the first workers")
        self.turned = time.monotonic()
        return self

    def __exit__(self, *error: Any) -> None:
        self.stack.close()

    def work(self) -> int | None:
        """What ``/scaling`` says of the queue. None if it can't tell."""
        request = Request(f"http://127.0.0.1:{self.port}/scaling", headers={"Authorization": f"Bearer {TOKEN}"})
        try:
            with urlopen(request, timeout=5) as answer:
                return int(json.load(answer)["default"])
        except HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            return None
        except OSError:
            return None

    def turn(self) -> None:
        """Ask once, and start or stop workers."""
        now = time.monotonic()
        self.worker_seconds += (now - self.turned) * (len(self.workers) + len(self.stopping))
        self.turned = now
        self.bury(now)
        work = self.work()
        if work is None:  # what is not known changes nothing
            return
        wanted = min(self.most, max(self.least, math.ceil(work / self.target)))
        self.wanted = [(at, number) for at, number in self.wanted if at > now - WINDOW] + [(now, wanted)]
        steady = max(number for _, number in self.wanted)
        for _ in range(wanted - len(self.workers)):
            self.start()
        if steady < len(self.workers) and now - self.scaled_down >= PERIOD:
            self.scaled_down = now
            for _ in range(min(len(self.workers) - steady, math.ceil(len(self.workers) / 2))):
                self.stop(random.choice(self.workers))

    def start(self) -> None:
        command = f"-m celery -A config {WORKER} --concurrency 2 --hostname pod{self.team.logs}@%h".split()
        self.workers.append(self.stack.enter_context(self.team.running(*command)))

    def stop(self, worker: Process) -> None:
        """As Kubernetes stops a pod: SIGTERM to its first process, and no look at what it does."""
        self.workers.remove(worker)
        self.stopping.append((worker, time.monotonic() + GRACE))
        self.stopped += 1
        running = self.team.ledger.running()
        self.busy += any(pid in running for pid in children(worker))
        worker.popen.send_signal(signal.SIGTERM)

    def bury(self, now: float) -> None:
        for worker, end in list(self.stopping):
            if worker.popen.poll() is None and now > end:
                self.killed += 1
                worker.stop(signal.SIGKILL)
            if worker.popen.poll() is not None:
                self.stopping.remove((worker, end))

    def until(self, condition: Callable[[], object], what: str, seconds: float) -> None:
        """Go on until ``condition()`` is true."""

        def turned() -> object:
            if time.monotonic() - self.turned >= POLL:
                self.turn()
            return condition()

        wait_until(turned, what, seconds)
