"""Any number of beats, and each run is sent once; whatever happens to the leader, none is missed.

What a hand-over may do is stated in docs/beats.md of the project: only runs that the old leader had sent and not recorded
when it was killed, frozen or cut off are sent again, and it records them every second.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.running.beats.conftest import Beats, Link, freeze, kill, wake
from tests.servers import pgbouncer, wait_until

pytestmark = pytest.mark.faults

Report = Callable[..., None]
NEXT_LEADER = 15.0  # seconds
UNRECORDED = 1.5  # seconds around its end of which a leader may not have recorded the runs


def doubled_without_reason(beats: Beats, end: float) -> dict[str, float]:
    """The entries that were sent twice although the leader that ended about then had recorded them."""
    return {name: due for name, due in beats.twice().items() if abs(due - end) > UNRECORDED}


@pytest.mark.parametrize("count", [2, 3])
def test_of_several_beats_one_sends(beats: Beats, report: Report, count: int) -> None:
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(beats.beat())
        beats.schedule(moments=15)
        beats.wait_until_all_are_due()
    report()

    often = [sent for sent in beats.sent() if sent.name == "often"]
    runs = beats.code(
        "from django_celery_beat.models import PeriodicTask as P; print(P.objects.get(name='often').total_run_count)"
    )
    assert set(beats.times().values()) == {1}
    assert beats.missed() == []
    assert len({sent.process for sent in beats.sent()}) == 1
    assert len(often) == int(runs)


def test_a_leader_is_stopped(beats: Beats, report: Report) -> None:
    with beats.beat() as first, beats.beat():
        beats.schedule(moments=20)
        wait_until(lambda: len(beats.times()) > 5, "runs")
        first.popen.terminate()
        first.popen.wait(10)
        stopped = time.time()
        beats.wait_until_all_are_due()
    seconds = beats.seconds_to_the_next_leader(stopped, first)
    report(seconds)

    assert first.popen.returncode == 0
    assert beats.missed() == []
    assert beats.twice() == {}
    assert seconds < 2
    assert "Traceback" not in first.output()


def check_a_killed_leader(beats: Beats, report: Report, **variables: str) -> None:
    """Of three beats that these variables reach, kill the one that leads: nothing is missed."""
    with beats.beat(**variables) as first, beats.beat(**variables), beats.beat(**variables):
        beats.schedule(moments=30)
        wait_until(lambda: len(beats.times()) > 5, "runs")
        kill(first)
        killed = time.time()
        beats.wait_until_all_are_due()
    seconds = beats.seconds_to_the_next_leader(killed, first)
    report(seconds)

    assert beats.missed() == []
    assert doubled_without_reason(beats, killed) == {}
    assert seconds < NEXT_LEADER


def test_a_leader_is_killed(beats: Beats, report: Report) -> None:
    check_a_killed_leader(beats, report)


def test_a_leader_is_frozen_for_a_minute_and_then_woken(beats: Beats, report: Report) -> None:
    with beats.beat() as first, beats.beat():
        beats.schedule(moments=80)
        wait_until(lambda: len(beats.times()) > 5, "runs")
        freeze(first)
        frozen = time.time()
        time.sleep(60)
        wake(first)
        woken = time.time()
        beats.wait_until_all_are_due()
        first.wait_for(lambda: "has lost its lease and stands by" in first.output(), "the woken beat to stand by")
        again = beats.sent_by(first, woken)  # before the second is stopped, and the first leads once more
    seconds = beats.seconds_to_the_next_leader(frozen, first)
    report(seconds)

    assert beats.missed() == []
    assert doubled_without_reason(beats, frozen) == {}
    assert seconds < NEXT_LEADER
    assert again == []


@pytest.mark.parametrize("database", ["postgresql"])
@pytest.mark.parametrize("how", ["cut", "silence"])
def test_a_leader_is_cut_off_from_the_database(beats: Beats, report: Report, server: int, how: str) -> None:
    link = Link(server)
    with beats.beat(DATABASE_URL=beats.database.replace(str(server), str(link.port))) as first, beats.beat():
        beats.schedule(moments=50)
        wait_until(lambda: len(beats.times()) > 5, "runs")
        getattr(link, how)()
        cut = time.time()
        time.sleep(25)
        link.mend()
        beats.wait_until_all_are_due()
        first.wait_for(lambda: "stands by" in first.output(), "the beat that was cut off to stand by")
        again = beats.sent_by(first, cut + 9)
    seconds = beats.seconds_to_the_next_leader(cut, first)
    report(seconds)

    assert beats.missed() == []
    assert doubled_without_reason(beats, cut) == {}
    assert seconds < NEXT_LEADER
    assert again == []


@pytest.mark.parametrize("database", ["postgresql"])
def test_the_database_goes_away_and_comes_back(beats: Beats, report: Report, server: int) -> None:
    """No record is lost, and no beat stops."""
    link = Link(server)
    through = beats.database.replace(str(server), str(link.port))
    with beats.beat(DATABASE_URL=through) as first, beats.beat(DATABASE_URL=through) as second:
        beats.schedule(moments=30)
        wait_until(lambda: len(beats.times()) > 5, "runs")
        link.cut()
        time.sleep(8)
        link.mend()
        beats.wait_until_all_are_due()

        assert (first.popen.poll(), second.popen.poll()) == (None, None)
    report()

    assert beats.missed() == []
    assert beats.twice() == {}


def test_the_broker_goes_away_and_comes_back(beats: Beats, report: Report) -> None:
    """What was due meanwhile is sent when it is back."""
    port = int(beats.environment["CELERY_BROKER_URL"].split(":")[2].split("/")[0])
    link = Link(port)
    with beats.beat(CELERY_BROKER_URL=f"redis://127.0.0.1:{link.port}/1") as beat:
        beats.schedule(moments=20)
        wait_until(lambda: len(beats.times()) > 5, "runs")
        link.cut()
        time.sleep(5)
        link.mend()
        beats.wait_until_all_are_due()

        assert beat.popen.poll() is None
    report()

    assert beats.missed() == []
    assert beats.twice() == {}


@pytest.mark.parametrize("database", ["postgresql"])
def test_a_leader_behind_a_transaction_pooler_is_killed(
    beats: Beats, report: Report, server: int, tmp_path: Path
) -> None:
    with pgbouncer(tmp_path, server) as port:
        check_a_killed_leader(beats, report, DATABASE_URL=beats.database.replace(str(server), str(port)))


@pytest.mark.parametrize("pairs", [1, 100])
def test_a_beat_that_is_stopped_again_and_again_still_gives_its_lease_back(beats: Beats, pairs: int) -> None:
    """As Ctrl+C does to beat and to what started it. The first signal arrives while beat reads the schedule."""
    with beats.beat() as first:
        for _ in range(pairs):
            os.kill(first.popen.pid, signal.SIGINT)
            os.kill(first.popen.pid, signal.SIGTERM)
            time.sleep(1e-5)
        first.popen.wait(5)
    holder = "from background.models import Lease; print(repr(Lease.objects.get().holder))"

    if pairs == 1:  # the last of many may arrive when Python, at its end, has taken its handlers away
        assert first.popen.returncode == 0
    assert "Traceback" not in first.output()
    assert beats.code(holder).strip() == "''"


def test_an_edit_is_picked_up_within_two_seconds(beats: Beats) -> None:
    edit = """
import time
from django_celery_beat.models import IntervalSchedule, PeriodicTask
second = IntervalSchedule.objects.create(every=1, period="seconds")
PeriodicTask.objects.create(name="edited", task="background.tasks.delete_old_records", interval=second)
print(time.time())
"""
    with beats.beat():
        made = float(beats.code(edit))
        wait_until(lambda: any(sent.name == "edited" for sent in beats.sent()), "the edited entry", 10)

    first = min(sent.at for sent in beats.sent() if sent.name == "edited")
    assert first - made < 1 + 2


def test_what_people_edit_is_kept_over_restarts_until_it_is_applied(beats: Beats) -> None:
    edit = """
from django_celery_beat.models import PeriodicTask
entry = PeriodicTask.objects.get(name="delete-old-records")
entry.args, entry.queue, entry.enabled, entry.expire_seconds = "[]", "long", False, 30
entry.interval.every, entry.interval.period = 7, "hours"
entry.interval.save()
entry.save()
"""
    row = """
from django_celery_beat.models import PeriodicTask
entry = PeriodicTask.objects.get(name="delete-old-records")
print(entry.queue, entry.enabled, entry.expire_seconds, entry.interval)
"""
    with beats.beat():
        beats.code(edit)
    for _ in range(3):
        with beats.beat() as beat:
            beat.wait_for(lambda: "delete-old-records has drifted" in beat.output(), "the drift")
    kept = beats.code(row).strip()
    found = beats.run("manage.py", "schedule", "--check", check=False)
    applied = beats.run("manage.py", "schedule", "apply", "delete-old-records", "--yes").stdout
    checked = beats.run("manage.py", "schedule", "--check")

    assert kept == "long False 30 every 7 hours"
    assert found.returncode == 1
    assert "delete-old-records has drifted: schedule is every 7 hours in the database" in found.stdout
    assert "Applied delete-old-records." in applied
    assert "matches the settings" in checked.stdout
    assert beats.code(row).strip() == "None True None every 600 seconds"


WRONG_CLOCK = """
import datetime, time_machine
time_machine.travel(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=float("{}"))).start()
"""


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # SQLite's clock is the host's
@pytest.mark.parametrize("error", [-600, 600])
def test_a_beat_whose_host_has_a_wrong_clock_does_not_lead(
    beats: Beats, report: Report, tmp_path: Path, error: float
) -> None:
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock/sitecustomize.py").write_text(WRONG_CLOCK.format(error))
    with beats.beat():  # from then on there is a lease to compare with
        pass
    with beats.beat(PYTHONPATH=str(tmp_path / "clock")) as wrong, beats.beat():
        beats.schedule(moments=10)
        beats.wait_until_all_are_due()
        assert "This beat does not lead. The clock of its host is " in wrong.output()
        assert "This beat stands by" not in wrong.output()
    report()

    assert set(beats.times().values()) == {1}
    assert beats.missed() == []
    assert beats.sent_by(wrong, 0) == []
