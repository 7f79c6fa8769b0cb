"""A new user is welcomed once the transaction is committed, and only then."""

from collections.abc import Callable

import pytest
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.db import transaction

from base.models import WelcomeMail

pytestmark = pytest.mark.django_db(transaction=True)

WaitUntil = Callable[[Callable[[], object]], None]


def is_recorded() -> bool:
    return WelcomeMail.objects.exclude(sent_at=None).exists()


def test_a_new_user_is_welcomed_on_commit(
    started: list[str], wait_until: WaitUntil, mailoutbox: list[EmailMessage]
) -> None:
    with transaction.atomic():
        get_user_model().objects.create_user("ada", "ada@example.com")
        assert started == []
    wait_until(is_recorded)

    assert [mail.to for mail in mailoutbox] == [["ada@example.com"]]


def test_a_user_who_is_rolled_back_is_not_welcomed(wait_until: WaitUntil, mailoutbox: list[EmailMessage]) -> None:
    """The next user's mail shows that the worker has nothing left to do."""
    with transaction.atomic():
        get_user_model().objects.create_user("eve", "eve@example.com")
        transaction.set_rollback(True)
    get_user_model().objects.create_user("ada", "ada@example.com")
    wait_until(is_recorded)

    assert [mail.to for mail in mailoutbox] == [["ada@example.com"]]


def test_a_user_who_changes_is_not_welcomed_again(
    started: list[str], wait_until: WaitUntil, mailoutbox: list[EmailMessage]
) -> None:
    user = get_user_model().objects.create_user("ada", "ada@example.com")
    wait_until(is_recorded)
    user.first_name = "Ada"
    user.save()

    assert len(mailoutbox) == len(started) == 1


def test_a_user_without_an_address_is_not_welcomed(started: list[str]) -> None:
    get_user_model().objects.create_user("ada")

    assert started == []
