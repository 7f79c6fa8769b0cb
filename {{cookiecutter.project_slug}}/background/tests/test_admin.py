"""The admin shows how the schedule differs from the settings."""

from http import HTTPStatus
from typing import Any

import pytest
from celery import current_task, shared_task
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from background.schedule.drift import drift
from background.schedule.seed import seed
from config import celery_app

pytestmark = pytest.mark.django_db

Entries = dict[str, dict[str, Any]]
LIST = reverse("admin:django_celery_beat_periodictask_changelist")


@pytest.fixture
def seeded(entries: Entries) -> Entries:
    seed(celery_app)
    return entries


def act(client: Client, action: str, *keys: str) -> str:
    """The page after an action on these entries."""
    pks = [str(row.pk) for row in PeriodicTask.objects.filter(name__in=keys)]
    return client.post(LIST, {"action": action, "_selected_action": pks}, follow=True).text


def test_the_list_says_what_drifts(seeded: Entries, admin_client: Client) -> None:
    PeriodicTask.objects.filter(name="a-length-of-time").update(queue="long")

    page = admin_client.get(LIST).content.decode()

    assert page.count("queue is long in the database, nothing in the settings") == 1


def test_what_a_person_wrote_is_escaped(seeded: Entries, admin_client: Client) -> None:
    PeriodicTask.objects.filter(name="a-length-of-time").update(queue="<script>")

    page = admin_client.get(LIST).content.decode()

    assert "queue is &lt;script&gt; in" in page


def test_the_list_asks_no_query_a_row(seeded: Entries, admin_client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(LIST)
        return len(captured)

    few = queries()
    for number in range(20):
        seeded[f"another-{number}"] = {"task": "a", "schedule": 60 + number}
    seed(celery_app)

    assert queries() == few


def test_the_action_applies_the_settings_and_says_what_it_changed(seeded: Entries, admin_client: Client) -> None:
    PeriodicTask.objects.update(queue="long")

    page = act(admin_client, "apply_settings", "a-length-of-time")

    assert "Changed a-length-of-time: queue from long to nothing." in page
    assert "a-length-of-time" not in drift(celery_app)
    assert "a-time-of-day" in drift(celery_app)


def test_the_action_says_when_there_is_nothing_to_do(seeded: Entries, admin_client: Client) -> None:
    hour = IntervalSchedule.objects.create(every=1, period="hours")
    PeriodicTask.objects.create(name="a-person-s", task="a", interval=hour)

    assert "None of these entries differs" in act(admin_client, "apply_settings", "a-person-s", "a-moment")


def test_an_entry_can_still_be_changed(seeded: Entries, admin_client: Client) -> None:
    row = PeriodicTask.objects.get(name="a-time-of-day")

    page = admin_client.get(reverse("admin:django_celery_beat_periodictask_change", args=[row.pk]))

    assert page.status_code == HTTPStatus.OK


@shared_task(name="tests.succeed")
def succeed(*args: Any) -> None:
    runs.append(current_task.request.headers or {})


@shared_task(name="tests.fail")
def fail() -> None:
    raise RuntimeError("on purpose")


runs: list[dict[str, Any]] = []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"task": "tests.fail"}, "RuntimeError"),
        ({"task": "tests.unknown"}, "is not registered here"),
        ({"queue": "misspelt"}, "QueueNotFound"),
        ({"args": "[1"}, "are not JSON"),
        ({"kwargs": '{"unknown": 1}'}, "TypeError"),
    ],
)
def test_a_run_by_hand_that_fails_is_told_and_the_others_are_sent(
    fields: dict[str, str], reason: str, admin_client: Client
) -> None:
    hour = IntervalSchedule.objects.create(every=1, period="hours")
    PeriodicTask.objects.create(name="good", task="tests.succeed", interval=hour)
    PeriodicTask.objects.create(name="bad", interval=hour, **{"task": "tests.succeed", **fields})

    page = act(admin_client, "run_tasks", "good", "bad")

    assert "Sent good: task " in page
    assert "The entry bad was not run: " in page
    assert reason in page


def test_a_run_by_hand_keeps_the_entry_s_headers(admin_client: Client) -> None:
    hour = IntervalSchedule.objects.create(every=1, period="hours")
    PeriodicTask.objects.create(name="good", task="tests.succeed", interval=hour, headers='{"trace": "7"}', priority=3)
    runs.clear()

    act(admin_client, "run_tasks", "good")

    assert runs[0]["trace"] == "7"


def test_an_entry_of_the_settings_keeps_its_name(seeded: Entries, admin_client: Client) -> None:
    hour = IntervalSchedule.objects.create(every=1, period="hours")
    PeriodicTask.objects.create(name="a-person-s", task="a", interval=hour)

    def can_be_renamed(key: str) -> bool:
        pk = PeriodicTask.objects.get(name=key).pk
        page = admin_client.get(reverse("admin:django_celery_beat_periodictask_change", args=[pk])).text
        return 'name="name"' in page

    assert can_be_renamed("a-person-s")
    assert not can_be_renamed("a-time-of-day")


def test_the_list_says_when_each_entry_runs_next(seeded: Entries, admin_client: Client) -> None:
    page = admin_client.get(LIST).text

    assert "every 10 minutes" in page
    assert '<td class="field-next_run">2030-01-01 00:00</td>' in page


def test_a_form_without_a_crontab_says_so(seeded: Entries, admin_client: Client) -> None:
    pk = PeriodicTask.objects.get(name="a-length-of-time").pk
    page = admin_client.get(reverse("admin:django_celery_beat_periodictask_change", args=[pk]))

    assert page.context["readable_crontabs"][""] == "none is chosen"


def test_results_are_listed_only_where_they_are(admin_client: Client) -> None:
    """With results in Redis the list would be empty."""
    is_listed = "django_celery_results/taskresult/" in admin_client.get(reverse("admin:index")).text

    assert is_listed == (celery_app.conf.result_backend == "django-db")
