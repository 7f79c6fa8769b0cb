"""The pages that a new project has."""

from http import HTTPStatus

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views import defaults


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/health/", "/health/web/"])
def test_the_health_pages_answer(client: Client, url: str) -> None:
    assert client.get(url).status_code == HTTPStatus.OK


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/health/", "/health/web/", "/admin/", "/admin/login/"])
def test_head_is_answered_as_get_is(client: Client, url: str) -> None:
    assert client.head(url).status_code == client.get(url).status_code < HTTPStatus.BAD_REQUEST


def test_a_page_that_does_not_exist_says_so_and_leads_back(client: Client) -> None:
    response = client.get("/nowhere/")

    assert response.status_code == HTTPStatus.NOT_FOUND
    assert "There is no such page." in response.text
    assert '<a href="/">' in response.text


@pytest.mark.django_db
def test_a_form_without_its_token_says_what_to_do() -> None:
    response = Client(enforce_csrf_checks=True).post("/admin/login/")

    assert response.status_code == HTTPStatus.FORBIDDEN
    assert "reload the page" in response.text


def test_each_error_has_a_page_of_words(rf: RequestFactory) -> None:
    request = rf.get("/")

    assert "does not understand" in defaults.bad_request(request, SuspiciousOperation()).text
    assert "You may not see this page" in defaults.permission_denied(request, PermissionDenied()).text
    assert "not your fault" in defaults.server_error(request).text


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
def test_the_health_page_speaks_to_people(client: Client) -> None:
    page = client.get("/health/").text

    assert settings.PROJECT_NAME in page
    assert '<th scope="row">Database</th>' in page
    assert client.get("/health/web/?format=json").json() == {"Database": "OK"}
