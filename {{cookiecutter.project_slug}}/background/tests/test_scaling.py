"""``/scaling`` of the web server. What it counts, the template's tests see with real workers."""

from http import HTTPStatus
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from celery import current_app
from django.test import AsyncClient, Client
from pytest_django import Settings

from background.registry import declared_queues

TOKEN = "a token"
KNOWN: Any = {"headers": {"authorization": f"Bearer {TOKEN}", "host": "10.0.0.7:8000"}}


@pytest.fixture(autouse=True)
def token(settings: Settings) -> None:
    settings.SCALING_TOKEN = TOKEN
    settings.SECURE_SSL_REDIRECT = True


@pytest.fixture
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port on which nothing listens."""
    monkeypatch.setitem(current_app.conf, "task_always_eager", False)
    monkeypatch.setitem(current_app.conf, "broker_write_url", "amqp://127.0.0.1:1/")


def test_each_queue_has_a_figure(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(current_app.conf, "task_always_eager", True)

    answer = client.get("/scaling", **KNOWN)

    assert answer.json() == dict.fromkeys(declared_queues(), 0)


def test_it_is_answered_under_asgi_too(async_client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(current_app.conf, "task_always_eager", True)

    assert async_to_sync(async_client.get)("/scaling", **KNOWN).status_code == HTTPStatus.OK


@pytest.mark.usefixtures("no_broker")
def test_a_broker_that_is_away_is_no_zero(client: Client) -> None:
    answer = client.get("/scaling", **KNOWN)

    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "can't be told: ServiceUnavailable" in answer.text


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer another", TOKEN, "Bearer ä"])
def test_who_does_not_know_the_token_gets_nothing(client: Client, given: str) -> None:
    answer = client.get("/scaling", headers={"authorization": given})

    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert not any(queue in answer.text for queue in declared_queues())


@pytest.mark.django_db
def test_without_a_token_there_is_no_such_page(client: Client, settings: Settings) -> None:
    settings.SCALING_TOKEN = ""
    settings.SECURE_SSL_REDIRECT = False

    assert client.get("/scaling", headers={"authorization": "Bearer "}).status_code == HTTPStatus.NOT_FOUND
