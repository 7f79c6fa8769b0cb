"""Workers that are started and stopped by the work of their queue lose nothing, whatever they do when they are stopped.

``SCALE_DOWNS`` says how many workers are stopped: a few in CI, 50 by ``make test-scaling``.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.running.faults.conftest import Team
from tests.running.faults.scaler import Scaler
from tests.servers import Process, children, wait_until

SCALE_DOWNS = int(os.environ.get("SCALE_DOWNS", "4"))
BURST = int(os.environ.get("SCALE_BURST", "40"))  # tasks of half a second, for the time that a burst takes
MOST = 5  # workers
Record = Callable[[str, object], None]


def test_workers_that_are_stopped_while_they_work_lose_nothing(team: Team, record_property: Record) -> None:
    """A burst of short tasks, and then a few that outlast the calm in which workers are stopped, some also the soft shutdown."""
    sent = 0
    with Scaler(team, 1, MOST, 8) as scaler:
        while scaler.stopped < SCALE_DOWNS:
            before = scaler.stopped
            with ExitStack() as stack:  # while the scaler looks, or one worker would do it all meanwhile
                senders = []
                for count, seconds in ((60, 0.2), (6, random.uniform(4, 8)), (2, 14.0)):
                    senders.append(stack.enter_context(team.sending(count, seconds, first=sent)))
                    sent += count
                scaler.until(lambda before=before: scaler.stopped >= before + 2, "workers are stopped", 120)  # type: ignore[misc]
                assert [sender.popen.poll() for sender in senders] == [0, 0, 0]
        scaler.until(lambda: len(team.ledger.count("end")) >= sent, f"{sent} tasks", 120)
        scaler.until(lambda: not scaler.stopping, "the end of the last worker", 60)

    assert team.ledger.lost() == []
    assert scaler.busy > 0
    assert scaler.killed == 0
    counts = f"{scaler.stopped} workers stopped, {scaler.busy} of them at work"
    record_property("scaling", f"{team.name:72} {counts}; {sent} tasks, 0 lost")


@pytest.mark.parametrize("kind", ["redis"], scope="session")
def test_what_a_dead_worker_had_taken_still_counts(team: Team) -> None:
    """Else its last tasks would seem done, and nobody would be there to take them back."""
    with Scaler(team, 0, 0, 1) as scaler:
        with team.worker(2) as worker:
            team.send(4, 5)
            wait_until(lambda: len(team.ledger.count("start")) >= 2, "two tasks")
            os.killpg(worker.popen.pid, signal.SIGKILL)
        time.sleep(16)  # its last report is forgotten by then

        assert scaler.work() == 4
        with team.worker(2):
            team.wait_until_done(90, 4)
        assert scaler.work() == 0


@pytest.mark.parametrize("kind", ["redis"], scope="session")
def test_a_silent_broker_starts_and_stops_nothing(team: Team) -> None:
    with Scaler(team, 2, 2, 1) as scaler:
        scaler.least, scaler.most = 0, 9
        with team.broker.frozen():
            for _ in range(3):
                scaler.turn()
            assert scaler.work() is None
            assert (len(scaler.workers), scaler.stopped) == (2, 0)
        scaler.until(lambda: not scaler.workers, "that the idle workers are stopped", 60)

        assert scaler.stopped == 2


def test_a_burst_is_drained_by_one_worker_by_a_scaled_number_and_by_all(team: Team, record_property: Record) -> None:
    """What is printed: how long a burst takes and what it costs, with one worker, with as many as it takes, and with all."""
    first = 0
    for name, least, most in (("one", 1, 1), ("scaled", 1, MOST), ("all", MOST, MOST)):
        with Scaler(team, least, most, 8) as scaler:
            begun = time.monotonic()
            team.send(BURST, 0.5, first=first)
            first += BURST
            scaler.until(lambda end=first: len(team.ledger.count("end")) >= end, "a burst", 300)  # type: ignore[misc]
            drained = time.monotonic() - begun
            scaler.until(lambda least=least: len(scaler.workers) == least and not scaler.stopping, "calm", 120)  # type: ignore[misc]
            spent, idle = scaler.worker_seconds, idle_cost(scaler.workers)
        row = f"{team.name.split('[')[1][:-1]}, {name}: {BURST} tasks of 0.5 s drained in {drained:.1f} s,"
        row += f" {spent:.0f} worker-seconds until calm; idle {least} workers, {idle[0]:.0f} MB, {idle[1]:.2f} % CPU"
        record_property("scaling", row)

    assert team.ledger.lost() == []


def idle_cost(workers: list[Process]) -> tuple[float, float]:
    """Memory in MB and CPU in percent of a core, of workers that have nothing to do."""
    pids = [pid for worker in workers for pid in (worker.popen.pid, *children(worker))]

    def ticks() -> int:
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
        return sum(int(fields[11]) + int(fields[12]) for fields in stats)

    before, at = ticks(), time.monotonic()
    time.sleep(5)
    cpu = (ticks() - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - at)
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024, 100 * cpu
