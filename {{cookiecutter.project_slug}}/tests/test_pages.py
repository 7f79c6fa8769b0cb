"""The pages that a new project has."""

from http import HTTPStatus

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/health/", "/health/web/"])
def test_the_health_pages_answer(client: Client, url: str) -> None:
    assert client.get(url).status_code == HTTPStatus.OK


def test_an_administrator_reaches_the_admin_and_its_schedule(admin_client: Client) -> None:
    response = admin_client.get(reverse("admin:index"))

    assert response.status_code == HTTPStatus.OK
    assert reverse("admin:django_celery_beat_periodictask_changelist") in response.text


@pytest.mark.django_db
def test_a_visitor_is_asked_to_log_in_to_the_admin(client: Client) -> None:
    response = client.get(reverse("admin:index"))

    assert response.status_code == HTTPStatus.FOUND
    assert response["Location"].startswith(reverse("admin:login"))


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/health/", "/health/web/"])
def test_a_monitor_may_ask_for_the_head_alone(client: Client, url: str) -> None:
    response = client.head(url)

    assert response.status_code == HTTPStatus.OK
    assert response.content == b""


@pytest.mark.django_db
def test_the_health_page_speaks_to_people(client: Client) -> None:
    page = client.get("/health/").text

    assert settings.PROJECT_NAME in page
    assert '<th scope="row">Database</th>' in page
    assert client.get("/health/web/?format=json").json() == {"Database": "OK"}
