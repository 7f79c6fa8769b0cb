"""What only a worker in a process of its own shows. Without a broker these tests are skipped."""

import uuid
from collections.abc import Callable
from http import HTTPStatus

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from celery.states import SUCCESS
from django.test import Client
from django.urls import reverse

from base.tasks import PROGRESS, build_report
from base.views import QUEUED

pytestmark = pytest.mark.usefixtures("worker")


def test_a_report_is_watched_from_its_page_while_it_is_built(
    client: Client, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    task_id = str(uuid.uuid4())
    seen: list[str] = []

    def is_done() -> bool:
        seen.append(client.get(reverse("base:report_status", args=[task_id])).json()["state"])
        return bool(seen[-1] == SUCCESS)

    response = client.post(reverse("base:report_form"), {"months": 1, "task_id": task_id})
    wait_until(is_done)

    assert response.status_code == HTTPStatus.FOUND
    assert PROGRESS in seen
    assert set(seen) <= {QUEUED, PROGRESS, SUCCESS}


def test_a_task_that_takes_too_long_is_stopped() -> None:
    result = build_report.apply_async(kwargs={"pause": 60}, soft_time_limit=0.5)

    with pytest.raises(SoftTimeLimitExceeded):
        result.get(timeout=20)
