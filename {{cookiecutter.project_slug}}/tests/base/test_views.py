"""The page that starts a report, shows its progress, and shows the report."""

import contextlib
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.staticfiles import finders
from django.core.cache import cache
from django.db import OperationalError, connections
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from background.task import BrokerUnavailableError
from base.tasks import PROGRESS, build_report
from base.views import QUEUED

pytestmark = pytest.mark.django_db(transaction=True)

FORM = reverse("base:report_form")
WaitUntil = Callable[[Callable[[], object]], None]


@pytest.fixture
def task_id() -> str:
    return str(uuid.uuid4())


def page(client: Client, task_id: str) -> str:
    return client.get(reverse("base:report_page", args=[task_id])).text


def status(client: Client, task_id: str) -> object:
    return client.get(reverse("base:report_status", args=[task_id])).json()


def is_ready(task_id: str) -> bool:
    return bool(build_report.AsyncResult(task_id).ready())


def test_the_form_brings_a_new_task_id_each_time(client: Client) -> None:
    first, second = (client.get(FORM).context["form"]["task_id"].value() for _ in range(2))

    assert first != second


@pytest.mark.usefixtures("both_modes")
def test_a_form_that_is_sent_starts_the_report_that_its_page_shows(
    client: Client, task_id: str, wait_until: WaitUntil
) -> None:
    response = client.post(FORM, {"months": 2, "task_id": task_id})
    wait_until(lambda: is_ready(task_id))

    assert response.status_code == HTTPStatus.FOUND
    address, _, request = response["Location"].partition("?request=")
    assert address == reverse("base:report_page", args=[task_id])
    assert request == response["X-Request-ID"]
    assert f"request_id={request}" in client.get(response["Location"]).text
    assert page(client, task_id).count("<tr><td>") == 2


@pytest.mark.usefixtures("both_modes")
def test_a_form_that_is_sent_twice_starts_one_report(
    client: Client, task_id: str, enqueued: list[str], wait_until: WaitUntil
) -> None:
    first, second = (client.post(FORM, {"months": 1, "task_id": task_id}) for _ in range(2))
    wait_until(lambda: is_ready(task_id))

    assert first["Location"].partition("?")[0] == second["Location"]
    assert enqueued == [task_id]


@pytest.mark.parametrize("atomic", [False, True], ids=["", "ATOMIC_REQUESTS"])
def test_a_form_whose_report_could_not_be_enqueued_can_be_sent_again(
    atomic: bool, client: Client, task_id: str, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", atomic)
    with monkeypatch.context() as broker:
        broker.setattr(build_report, "apply_async", broker_is_away)
        response = client.post(FORM, {"months": 2, "task_id": task_id})

    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "try again in a minute" in response.text

    client.post(FORM, {"months": 2, "task_id": task_id})
    wait_until(lambda: is_ready(task_id))

    assert page(client, task_id).count("<tr><td>") == 2


@pytest.mark.parametrize("error", [BrokerUnavailableError, OperationalError])
@pytest.mark.parametrize("name", ["report_page", "report_status"])
def test_each_request_that_finds_something_away_is_one_line_of_the_log(
    error: type[Exception],
    name: str,
    client: Client,
    task_id: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*args: Any) -> None:
        raise error("it is away")

    monkeypatch.setattr(build_report.backend, "get_task_meta", fail)
    url = reverse(f"base:{name}", args=[task_id])

    assert client.get(url).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    (line,) = caplog.records
    assert line.getMessage() == f"Service Unavailable: {url}: it is away"
    assert not line.exc_info
    assert "Traceback" not in caplog.text


def test_monitoring_may_ask_each_page_by_head(client: Client, task_id: str) -> None:
    assert client.head(FORM).status_code == HTTPStatus.OK
    for name, status in (("report_page", HTTPStatus.NOT_FOUND), ("report_status", HTTPStatus.OK)):
        assert client.head(reverse(f"base:{name}", args=[task_id])).status_code == status


def broker_is_away(*args: Any, **kwargs: Any) -> None:
    raise BrokerUnavailableError("The broker is unreachable.")


@pytest.mark.parametrize("months", ["0", "61", "many", ""])
def test_a_form_that_is_not_valid_comes_back_with_its_errors(
    months: str, client: Client, task_id: str, enqueued: list[str]
) -> None:
    response = client.post(FORM, {"months": months, "task_id": task_id})

    assert response.status_code == HTTPStatus.OK
    assert list(response.context["form"].errors) == ["months"]
    assert enqueued == []


def test_a_report_that_nobody_started_is_not_found(client: Client, task_id: str) -> None:
    response = client.get(reverse("base:report_page", args=[task_id]))

    assert status(client, task_id) == {"state": "PENDING", "ready": False}
    assert response.status_code == HTTPStatus.NOT_FOUND
    assert "This report does not exist" in response.text


def test_a_report_that_no_worker_has_taken_is_waited_for(client: Client, task_id: str) -> None:
    build_report.update_state(task_id, QUEUED)

    assert status(client, task_id) == {"state": QUEUED, "ready": False}
    assert "Waiting for a worker" in page(client, task_id)


def test_a_report_whose_queue_no_worker_serves_says_so(
    client: Client, task_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.clear()
    monkeypatch.setattr("background.health.unserved_queues", lambda app: ["long"])
    build_report.update_state(task_id, QUEUED)

    assert "No worker serves the queue of reports" in page(client, task_id)
    assert "No worker serves the queue of reports" in str(status(client, task_id))
    cache.clear()


def test_a_report_that_runs_shows_its_progress(client: Client, task_id: str) -> None:
    build_report.update_state(task_id, PROGRESS, {"done": 1, "total": 3})

    expected = {"state": PROGRESS, "ready": False, "progress": {"done": 1, "total": 3}}
    assert status(client, task_id) == expected
    assert '<progress max="3" value="1">' in page(client, task_id)
    assert "1 of 3 months" in page(client, task_id)


def test_a_report_that_is_done_shows_its_rows_and_their_sum(client: Client, task_id: str) -> None:
    report = {"months": [{"month": "2026-01", "users": 40}, {"month": "2026-02", "users": 2}], "total": 42}
    build_report.backend.mark_as_done(task_id, report)

    assert status(client, task_id) == {"state": "SUCCESS", "ready": True, "report": report}
    assert "<td>2026-01</td><td>40</td>" in page(client, task_id)
    assert "<td>42</td>" in page(client, task_id)


def test_a_report_that_failed_says_so_and_keeps_the_reason_to_the_log(client: Client, task_id: str) -> None:
    build_report.backend.mark_as_failure(task_id, RuntimeError("the password is swordfish"))

    answer = status(client, task_id)
    assert isinstance(answer, dict)
    assert answer.keys() == {"state", "ready", "error"}
    assert escape(answer["error"]) in page(client, task_id)
    assert "swordfish" not in page(client, task_id)


@pytest.mark.usefixtures("both_modes")
def test_a_report_that_raises_is_stored_as_failed(client: Client, task_id: str, wait_until: WaitUntil) -> None:
    """In eager mode it is raised here as well."""
    with contextlib.suppress(TypeError):
        build_report.apply_async(kwargs={"months": "many"}, task_id=task_id)
    wait_until(lambda: is_ready(task_id))

    assert "could not be built" in page(client, task_id)


def test_the_page_asks_for_the_status_until_the_report_is_ready(client: Client, task_id: str) -> None:
    build_report.update_state(task_id, QUEUED)
    before = page(client, task_id)
    build_report.backend.mark_as_done(task_id, {"months": [], "total": 0})
    after = page(client, task_id)

    assert f'data-status="{reverse("base:report_status", args=[task_id])}"' in before
    assert "<script" in before
    assert "<script" not in after


def test_the_status_is_never_cached(client: Client, task_id: str) -> None:
    response = client.get(reverse("base:report_status", args=[task_id]))

    assert "no-store" in response["Cache-Control"]


def test_the_page_names_the_project(client: Client, settings: LazySettings) -> None:
    settings.PROJECT_NAME = "Analytical & Engine"

    assert "Analytical &amp; Engine" in client.get(FORM).text


@pytest.mark.parametrize("name", ["base/page.css", "base/report.js"])
def test_what_the_pages_load_is_there(name: str) -> None:
    assert finders.find(name)
