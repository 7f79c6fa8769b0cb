"""The user model is the project's own."""

from http import HTTPStatus

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from users.models import User


def test_the_user_model_is_the_projects_own() -> None:
    assert get_user_model() is User


@pytest.mark.django_db
def test_a_user_can_log_in(client: Client) -> None:
    User.objects.create_user("ada", password="difference engine")

    assert client.login(username="ada", password="difference engine")


def test_an_administrator_can_edit_users(admin_client: Client) -> None:
    response = admin_client.get(reverse("admin:users_user_changelist"))

    assert response.status_code == HTTPStatus.OK
