"""The page *Background work* says what runs, waits and failed, to those who may see it."""

import time
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from celery import current_app
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask
from health_check.exceptions import ServiceUnavailable

from background.beat.lease import SCHEDULE
from background.models import FailedTask, Lease, OutboxMessage, QueueLength, RunningProcess
from background.overview import page
from background.overview.control import WorkerSilentError
from background.overview.queues import Length
from background.templatetags.lasting import DAY, HOUR, MINUTE, lasting
from background.tests import tasks

PAGE = "/admin/background/overview/"
Ask = Callable[..., str]

pytestmark = pytest.mark.django_db


@pytest.fixture
def log_in(client: Client) -> Callable[..., Client]:
    """Log a person in who has these permissions and may use the admin."""

    def log_in(*permissions: str) -> Client:
        user = get_user_model().objects.create_user("ada", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def ask(admin_client: Client) -> Ask:
    """Read the page. Blanks and line breaks count as one blank."""

    def read() -> str:
        response = admin_client.get(PAGE)

        assert response.status_code == HTTPStatus.OK
        return " ".join(response.content.decode().split())

    return read


@pytest.fixture
def with_broker(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Not eager, with a broker that says this, or raises it."""

    def say(answer: Callable[[Any], list[Length]]) -> None:
        monkeypatch.setitem(current_app.conf, "task_always_eager", False)
        monkeypatch.setattr(page, "lengths", answer)

    return say


def worker(name: str = "celery@one", seconds: float = 0, **report: Any) -> RunningProcess:
    """A worker that was seen so many seconds ago."""
    full = {
        "state": "ready",
        "queues": ["default", "long"],
        "processes": 2,
        "memory": 2**27,
        "running": [],
        "taken": {},
        **report,
    }
    seen = Now() - timedelta(seconds=seconds)
    return RunningProcess.objects.create(kind="worker", name=name, started=seen, seen=seen, report=full)


def running(task_id: str = "one") -> dict[str, Any]:
    return {"id": task_id, "task": "shop.count", "arguments": "(7,)", "since": time.time() - 125, "pid": 9}


def test_without_a_broker_it_says_so(ask: Ask) -> None:
    assert "tasks run at once in the process that calls them" in ask()


def test_queues_are_shown_with_who_serves_them(ask: Ask, with_broker: Callable[..., None]) -> None:
    oldest = timezone.now() - timedelta(seconds=90)
    with_broker(lambda app: [Length("default", 41, oldest), Length("long", 0, None)])
    worker(queues=["default"], taken={"default": 3})
    worker("celery@dead", seconds=30, queues=["long"], taken={"long": 5})
    for minutes, waiting in ((50, 0), (10, 7)):
        QueueLength.objects.create(queue="default", at=timezone.now() - timedelta(minutes=minutes), waiting=waiting)

    text = ask()
    default, long = text.index('<th scope="row">default'), text.index('<th scope="row">long')
    row = text[default:long]
    for cell in (
        "<td>41</td>",
        "<td>1 min</td>",
        "<td>3</td>",
        "<td>1</td>",
        'points="40.0,31.0 200.0,1.0"',
        "at most 7",
    ):
        assert cell in row
    assert '<td>0</td> <td><strong class="bad">none</strong></td>' in text[long:]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (ServiceUnavailable("The broker is unreachable."), "The broker is unreachable."),
        (OSError("cut off"), "cut off"),
        (3, "The broker does not answer."),
    ],
)
def test_what_the_broker_does_not_say_is_not_known(
    answer: Any, sentence: str, ask: Ask, with_broker: Callable[..., None]
) -> None:
    def be_away(app: Any) -> list[Length]:
        if isinstance(answer, Exception):
            raise answer
        time.sleep(answer)
        return []

    with_broker(be_away)
    worker(running=[running()])

    text = ask()
    assert f"{sentence} How long the queues are is not known." in text
    assert "<td>?</td>" in text
    assert "shop.count" in text


def test_workers_are_shown_with_what_they_do(ask: Ask, with_broker: Callable[..., None]) -> None:
    with_broker(lambda app: [])
    worker(running=[running()])
    worker("celery@two", seconds=30, running=[running("two")])
    worker("celery@forgotten", seconds=3600)

    text = ask()
    for part in ("celery@one", "1 of 2 processes at work", "128.0", "<td>2 min</td>", "(7,)", "no sign of life for 3"):
        assert part in text
    assert "celery@forgotten" not in text
    assert text.count(">Cancel<") == 1
    assert text.count(">Stop softly<") == 1


def test_no_worker_is_said(ask: Ask, with_broker: Callable[..., None]) -> None:
    with_broker(lambda app: [])

    assert "No worker has been seen for ten minutes." in ask()


def test_the_schedule_is_shown_as_its_leader_reports_it(ask: Ask) -> None:
    Lease.objects.create(
        name=SCHEDULE, holder="host:1:a", since=Now(), ticked=Now(), expires=Now() + timedelta(seconds=9)
    )
    coming = [
        {"name": "overdue", "task": "a", "at": time.time() - 60},
        {"name": "soon", "task": "b", "at": time.time() + 125},
    ]
    for name, report in (
        ("host:1:a", {"state": "ready, leads", "next": coming, "late": 1}),
        ("host:2:b", {"state": "ready, stands by"}),
    ):
        RunningProcess.objects.create(kind="beat", name=name, started=Now(), seen=Now(), report=report)

    text = ask()
    for part in ("host:1:a leads since", "host:2:b: ready, stands by", "1 late", "<td>now</td>", "<td>2 min</td>"):
        assert part in text


def test_what_beat_does_not_read_yet_comes_next_too() -> None:
    """A crontab whose hour is far, of which many entries may share one, and a moment."""
    now = timezone.localtime()
    hour = f"{(now + timedelta(hours=5)).hour}"
    crontab = CrontabSchedule.objects.create(minute="30", hour=hour, timezone=str(now.tzinfo))
    unused = CrontabSchedule.objects.create(minute="31", hour=hour, timezone=str(now.tzinfo))
    moment = ClockedSchedule.objects.create(clocked_time=now + timedelta(hours=1))
    for field, value in (("minute", "nonsense"), ("day_of_month", "30")):  # can't be read, and never comes round
        odd = CrontabSchedule.objects.create(**{"hour": hour, "month_of_year": "2", field: value})
        PeriodicTask.objects.create(name=field, task="x", crontab=odd)
    for name in ("a", "b"):
        PeriodicTask.objects.create(name=name, task="x", crontab=crontab)
    PeriodicTask.objects.create(name="off", task="x", crontab=unused, enabled=False)
    PeriodicTask.objects.create(name="moment", task="x", clocked=moment, one_off=True)
    read = [{"name": "near", "task": "x", "at": now}, {"name": "b", "task": "x", "at": now}]

    found = page.coming(read)
    assert [entry["name"] for entry in found] == ["near", "b", "moment", "a"]
    assert (found[-1]["at"].astimezone(now.tzinfo).strftime("%M"), found[-1]["at"] > now) == ("30", True)


@pytest.mark.parametrize("was_there", [False, True])
def test_that_nobody_leads_is_said(was_there: bool, ask: Ask) -> None:
    if was_there:
        before = Now() - timedelta(minutes=5)
        Lease.objects.create(name=SCHEDULE, holder="host:1:a", since=before, ticked=before, expires=before)

    assert ("No beat leads: the last one ticked 5 min ago" if was_there else "No beat leads.") in ask()


def test_the_last_runs_say_how_they_ended(ask: Ask, admin_client: Client) -> None:
    hour = IntervalSchedule.objects.create(every=1, period="hours")
    for name in ("good", "bad", "good-again"):
        ran = timezone.now() - timedelta(minutes=5)
        PeriodicTask.objects.create(name=name, task="tests.give_up", interval=hour, last_run_at=ran)
    failed = FailedTask(task_id="1", task="tests.give_up", entry="bad", exception="LookupError", attempts=1)
    failed.save()
    old = FailedTask(task_id="2", task="tests.give_up", entry="good-again", exception="LookupError", attempts=1)
    old.save()
    FailedTask.objects.filter(pk=old.pk).update(failed_at=timezone.now() - timedelta(hours=2))

    url = f"/admin/background/failedtask/{failed.pk}/change/"
    text = ask()
    assert text.count("no failure") == 2
    assert f'href="{url}">LookupError' in text

    entries = admin_client.get("/admin/django_celery_beat/periodictask/").content.decode()
    assert entries.count("no failure") == 2
    assert f'href="{url}">LookupError' in entries


def test_failures_are_counted_by_task(ask: Ask) -> None:
    for number in range(3):
        FailedTask.objects.create(
            task_id=str(number), task="a.b", exception="KeyError", reason=f"no {number}", attempts=1
        )
    FailedTask.objects.create(task_id="old", task="c.d", attempts=1)
    FailedTask.objects.filter(task_id="old").update(failed_at=timezone.now() - timedelta(days=2))

    text = ask()
    assert '<th scope="row">a.b</th><td>3</td>' in text
    assert "KeyError: no 2" in text
    assert "?task=a.b" in text
    assert "c.d" not in text


def test_the_outbox_is_counted(ask: Ask, with_broker: Callable[..., None]) -> None:
    with_broker(lambda app: [])
    for hours in (-1, 1, 2):
        OutboxMessage.objects.create(due=timezone.now() + timedelta(hours=hours), task="a", task_id="1", message="")

    assert "1 to be sent now, the oldest for 1 h 0 min; 2 for later." in ask()


@pytest.mark.parametrize(
    ("permissions", "page_status", "links", "status"),
    [
        ([], HTTPStatus.FORBIDDEN, 0, HTTPStatus.FORBIDDEN),
        (["view_overview"], HTTPStatus.OK, 0, HTTPStatus.FORBIDDEN),
        (["cancel_task", "stop_worker"], HTTPStatus.FORBIDDEN, 0, HTTPStatus.FORBIDDEN),
        (["view_overview", "cancel_task", "stop_worker"], HTTPStatus.OK, 2, HTTPStatus.OK),
    ],
)
def test_each_may_see_and_do_what_is_permitted(
    permissions: list[str],
    page_status: HTTPStatus,
    links: int,
    status: HTTPStatus,
    log_in: Callable[..., Client],
    with_broker: Callable[..., None],
) -> None:
    with_broker(lambda app: [])
    row = worker(running=[running()])
    client = log_in(*permissions)

    response = client.get(PAGE)
    assert response.status_code == page_status
    text = response.content.decode()
    assert text.count(">Cancel<") + text.count(">Stop softly<") == links
    for url in (f"{PAGE}cancel/{row.pk}/one/", f"{PAGE}stop/{row.pk}/"):
        assert client.get(url).status_code == status


def test_an_action_asks_first_and_is_in_the_log(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the worker then does is tested with a real one: tests of a running site."""
    done: list[Any] = []
    monkeypatch.setattr("background.overview.admin.cancel", lambda app, *what: done.append(what))
    row = worker(running=[running()])
    url = f"{PAGE}cancel/{row.pk}/one/"

    assert "Cancel shop.count, which runs on celery@one?" in admin_client.get(url).content.decode()
    assert not done

    assert "Cancelled shop.count[one]." in admin_client.post(url, follow=True).content.decode()
    assert done == [("celery@one", "one")]
    assert LogEntry.objects.get().change_message == "Cancelled shop.count[one]."


def test_a_worker_that_does_not_answer_is_said(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise WorkerSilentError("The worker does not answer.")

    monkeypatch.setattr("background.overview.admin.stop_softly", fail)
    row = worker()

    assert "The worker does not answer." in admin_client.post(f"{PAGE}stop/{row.pk}/", follow=True).content.decode()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (59, "59 s"), (MINUTE, "1 min"), (HOUR + 5 * MINUTE, "1 h 5 min"), (3 * DAY + 2 * HOUR, "3 d 2 h")],
)
def test_a_length_of_time_is_short(seconds: int, text: str) -> None:
    now = timezone.now()

    assert lasting(now, now + timedelta(seconds=seconds)) == text


@pytest.mark.django_db(transaction=True)
def test_a_failure_knows_its_entry(both_modes: None, wait_until: Callable[..., None]) -> None:
    try:
        tasks.give_up.apply_async(headers={"periodic_task_name": "nightly"})
    except LookupError:
        assert current_app.conf.task_always_eager
    wait_until(FailedTask.objects.exists)

    assert FailedTask.objects.get().entry == "nightly"
