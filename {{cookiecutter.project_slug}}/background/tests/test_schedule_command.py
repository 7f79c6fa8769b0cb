"""`manage.py schedule` shows the schedule, and changes it only when it is told."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from celery.schedules import crontab
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from kombu.exceptions import OperationalError

from background.beat.lease import SCHEDULE, Claim
from background.management.commands import schedule as command
from background.schedule import run
from config import celery_app

pytestmark = pytest.mark.django_db

Entries = dict[str, dict[str, Any]]
Answer = Callable[[str], None]


def schedule(*args: str) -> str:
    """What the command prints."""
    out = StringIO()
    call_command("schedule", *args, stdout=out, stderr=out)
    return out.getvalue()


def failing(*args: str) -> str:
    """What a command prints that exits with 1, its error included."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("schedule", *args, stdout=out, stderr=out)
    assert error.value.returncode == 1
    return f"{out.getvalue()}{error.value}"


def lines(*args: str) -> dict[str, str]:
    """The lines of the table, by key."""
    _, *rows = schedule(*args).partition("\n\n")[0].splitlines()
    return {row.split()[0]: row for row in rows}


def objects() -> dict[str, dict[str, Any]]:
    return {entry["key"]: entry for entry in json.loads(schedule("--json"))}


def change(key: str, **fields: Any) -> None:
    PeriodicTask.objects.filter(name=key).update(**fields)


@pytest.fixture
def seeded(entries: Entries) -> Entries:
    schedule("seed")
    return entries


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Sits at the terminal, and gives an answer."""

    def sit(text: str) -> None:
        monkeypatch.setattr(command.sys.stdin, "isatty", lambda: True)  # type: ignore[attr-defined]
        monkeypatch.setattr("builtins.input", lambda question: text)

    return sit


# The list


def test_the_table_shows_each_entry(seeded: Entries) -> None:
    assert lines().keys() == set(seeded)


def test_the_table_shows_how_an_entry_is(seeded: Entries) -> None:
    change("a-length-of-time", last_run_at=timezone.now(), queue="long")
    change("a-time-of-day", enabled=False)

    table = lines()

    assert table["a-length-of-time"].split()[1:6] == [
        "every",
        "10",
        "minutes",
        "on",
        f"{timezone.localdate():%Y-%m-%d}",
    ]
    assert table["a-length-of-time"].split()[-2:] == ["settings", "yes"]
    assert table["a-time-of-day"].split()[-5:] == ["off", "never", "-", "settings", "yes"]
    assert "sunset at 51.4769, 0.0" in table["an-event-of-the-sun"]


def test_an_overdue_entry_is_due_now(seeded: Entries) -> None:
    change("a-length-of-time", last_run_at=datetime(2020, 1, 1, tzinfo=UTC))

    assert lines()["a-length-of-time"].split()[-3] == "now"


def test_the_table_shows_where_an_entry_comes_from(seeded: Entries) -> None:
    hour = IntervalSchedule.objects.create(every=1, period="hours")
    PeriodicTask.objects.create(name="a-person-s", task="a", interval=hour)
    del seeded["a-moment"]

    table = lines()

    assert "a person" in table["a-person-s"]
    assert "orphaned" in table["a-moment"]


def test_the_columns_are_as_wide_as_what_they_hold(seeded: Entries) -> None:
    head, *rows = schedule().partition("\n\n")[0].splitlines()

    assert all(row.index(" on ") == head.index("STATE") - 1 for row in rows)
    assert head.startswith(f"{'KEY':<{len('an-event-of-the-sun')}}  SCHEDULE")


def test_a_wide_table_is_broken_where_the_schedule_is(seeded: Entries) -> None:
    change("a-time-of-day", crontab=CrontabSchedule.objects.create(minute="*/7", hour="8-17", day_of_week="1-5"))

    table = schedule().partition("\n\n")[0].splitlines()

    assert max(map(len, table)) <= 120
    assert len(table) > len(seeded) + 1


def test_each_difference_has_a_line_below_the_table(seeded: Entries) -> None:
    change("a-length-of-time", queue="long", priority=3)

    below = schedule().split("\n\n")[1].splitlines()

    assert below == [
        "a-length-of-time has drifted: queue is long in the database, nothing in the settings.",
        "a-length-of-time has drifted: priority is 3 in the database, nothing in the settings.",
    ]


def test_the_end_says_which_beat_leads(seeded: Entries) -> None:
    def end() -> str:
        return schedule().splitlines()[-1]

    never = end()
    claim = Claim(SCHEDULE)
    claim.take()
    leads = end()
    claim.release()

    assert never == "No beat has run yet."
    assert leads.startswith(f"The beat {claim.holder} has been leading since 20")
    assert leads.endswith((" second ago.", " seconds ago."))
    assert end().startswith("No beat is running. The last one ticked ")


def test_the_json_has_moments_in_iso_8601(seeded: Entries) -> None:
    change("a-length-of-time", last_run_at=timezone.now(), queue="long")

    entry = objects()["a-length-of-time"]

    wait = datetime.fromisoformat(entry["next_run"]) - datetime.fromisoformat(entry["last_run"])
    assert wait == timedelta(minutes=10)
    assert (entry["kind"], entry["enabled"], entry["origin"]) == ("interval", True, "settings")
    assert entry["drift"] == [{"field": "queue", "database": "long", "settings": "nothing"}]


def test_the_json_has_nothing_for_a_moment_that_is_none(seeded: Entries) -> None:
    change("a-moment", enabled=False)

    assert (objects()["a-moment"]["last_run"], objects()["a-moment"]["next_run"]) == (None, None)


def test_an_entry_that_beat_cannot_read_is_listed(seeded: Entries) -> None:
    change("a-time-of-day", crontab=CrontabSchedule.objects.create(minute="[0, 30]"))

    assert objects()["a-time-of-day"]["next_run"] is None


def test_the_number_of_queries_does_not_grow(seeded: Entries) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            schedule()
        return len(captured)

    few = queries()
    for number in range(50):
        seeded[f"another-{number}"] = {"task": "a", "schedule": crontab(minute=number)}
    schedule("seed")

    assert queries() == few


# Checking


def test_check_is_content_with_what_was_seeded(seeded: Entries) -> None:
    assert schedule("--check") == "The schedule in the database matches the settings.\n"


def test_check_names_drift(seeded: Entries) -> None:
    change("a-length-of-time", queue="long")

    assert "a-length-of-time has drifted: queue is long in the database" in failing("--check")


def test_check_names_what_is_not_in_the_database(seeded: Entries) -> None:
    seeded["another"] = {"task": "a", "schedule": 60}

    assert "another is in the settings but not in the database." in failing("--check")


def test_check_names_what_is_refused_once(seeded: Entries) -> None:
    seeded["another"] = {"task": "a", "schedule": 0.5}

    said = failing("--check")

    assert "another is refused: " in said
    assert said.count("another") == 1


def test_check_does_not_mind_orphans_and_entries_of_people(seeded: Entries) -> None:
    del seeded["a-moment"]

    assert schedule("--check")


# Seeding


def test_seed_says_what_it_wrote(entries: Entries) -> None:
    assert schedule("seed").splitlines() == [f"Seeded {key}." for key in entries]
    assert schedule("seed") == ""


def test_seed_fails_for_a_refused_entry_when_the_others_are_written(entries: Entries) -> None:
    entries["another"] = {"task": "a", "schedule": 0.5}

    said = failing("seed")

    assert said.count("Seeded") == 4
    assert "another is refused: " in said


# Applying


def test_apply_shows_old_and_new_values_and_asks(seeded: Entries, answer: Answer) -> None:
    change("a-length-of-time", queue="long")
    answer("y")

    said = schedule("apply", "a-length-of-time")

    assert said.splitlines() == ["a-length-of-time: queue: long -> nothing", "Applied a-length-of-time."]
    assert PeriodicTask.objects.get(name="a-length-of-time").queue is None


def test_apply_changes_nothing_when_the_answer_is_no(seeded: Entries, answer: Answer) -> None:
    change("a-length-of-time", queue="long")
    answer("")

    assert failing("apply", "a-length-of-time").endswith("Nothing was changed.")
    assert PeriodicTask.objects.get(name="a-length-of-time").queue == "long"


@pytest.mark.parametrize("action", [("apply", "--all"), ("prune",)], ids=["apply", "prune"])
def test_nothing_changes_where_nobody_can_be_asked(
    seeded: Entries, monkeypatch: pytest.MonkeyPatch, action: tuple[str, ...]
) -> None:
    change("a-length-of-time", queue="long")
    del seeded["a-moment"]
    before = list(PeriodicTask.objects.order_by("pk").values())
    monkeypatch.setattr("sys.stdin", StringIO("y\n"))

    assert "--yes" in failing(*action)
    assert list(PeriodicTask.objects.order_by("pk").values()) == before


def test_apply_of_all_writes_what_drifts_and_what_is_missing(seeded: Entries) -> None:
    change("a-length-of-time", queue="long")
    seeded["another"] = {"task": "a", "schedule": 60}

    said = schedule("apply", "--all", "--yes")

    assert "another: not in the database -> as in the settings" in said
    assert said.splitlines()[-2:] == ["Applied a-length-of-time.", "Applied another."]
    assert schedule("--check")


def test_apply_of_all_fails_for_a_refused_entry_when_the_others_are_written(seeded: Entries) -> None:
    change("a-length-of-time", queue="long")
    seeded["another"] = {"task": "a", "schedule": 0.5}

    said = failing("apply", "--all", "--yes")

    assert "Applied a-length-of-time." in said
    assert "another is refused: " in said


def test_there_may_be_nothing_to_do(seeded: Entries) -> None:
    assert schedule("apply", "--all") == "There is nothing to apply.\n"
    assert schedule("prune") == "There is nothing to prune.\n"


@pytest.mark.parametrize("args", [(), ("a-moment", "--all")], ids=["neither", "both"])
def test_apply_wants_keys_or_all(seeded: Entries, args: tuple[str, ...]) -> None:
    assert "--all" in failing("apply", *args)


@pytest.mark.parametrize("args", [("apply", "a-momnet"), ("run", "a-momnet")], ids=["apply", "run"])
def test_an_unknown_key_is_an_error_that_suggests_another(seeded: Entries, args: tuple[str, ...]) -> None:
    assert "Did you mean a-moment?" in failing(*args)


# Pruning


def test_prune_shows_what_it_deletes_and_asks(seeded: Entries, answer: Answer) -> None:
    del seeded["a-moment"]
    answer("yes")

    said = schedule("prune").splitlines()

    assert said[0].startswith("a-moment: d, once at 20")
    assert said[1] == "Deleted a-moment."
    assert not PeriodicTask.objects.filter(name="a-moment").exists()


def test_prune_deletes_nothing_when_the_answer_is_no(seeded: Entries, answer: Answer) -> None:
    del seeded["a-moment"]
    answer("n")

    assert failing("prune").endswith("Nothing was changed.")
    assert PeriodicTask.objects.filter(name="a-moment").exists()


# Running one now


def test_run_runs_the_task_and_prints_its_id(seeded: Entries, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []

    @celery_app.task(name="tests.counted", shared=False)
    def count(months: int) -> None:
        found.append(months)

    change("an-event-of-the-sun", task="tests.counted")

    said = schedule("run", "an-event-of-the-sun")

    celery_app.tasks.pop("tests.counted")
    assert re.fullmatch(r"Sent an-event-of-the-sun: task [0-9a-f-]{36}\.\n", said)
    assert found == [1]


def test_run_fails_where_the_broker_is_away(seeded: Entries, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise OperationalError("the broker is away")

    monkeypatch.setattr(run, "run", fail)

    assert failing("run", "a-moment") == "the broker is away"
