"""A new user is welcomed once the transaction is committed, and only then."""

import asyncio
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import connections, transaction

from base.models import WelcomeMail
from base.tasks import send_welcome_mail

WaitUntil = Callable[[Callable[[], object]], None]
SentMails = Callable[[], list[EmailMessage]]


def is_recorded() -> bool:
    return WelcomeMail.objects.exclude(sent_at=None).exists()


@pytest.mark.usefixtures("both_modes")
def test_a_new_user_is_welcomed_on_commit(wait_until: WaitUntil, sent_mails: SentMails) -> None:
    with transaction.atomic():
        get_user_model().objects.create_user("ada", "ada@example.com")

        assert sent_mails() == []
    wait_until(is_recorded)

    assert [mail["To"] for mail in sent_mails()] == ["ada@example.com"]


@pytest.mark.usefixtures("both_modes")
def test_a_user_who_is_rolled_back_is_not_welcomed(wait_until: WaitUntil, sent_mails: SentMails) -> None:
    """The next user's mail shows that the worker has nothing left to do."""
    with transaction.atomic():
        get_user_model().objects.create_user("eve", "eve@example.com")
        transaction.set_rollback(True)
    get_user_model().objects.create_user("ada", "ada@example.com")
    wait_until(is_recorded)

    assert [mail["To"] for mail in sent_mails()] == ["ada@example.com"]


@pytest.mark.django_db
def test_a_user_who_changes_is_not_welcomed_again(
    enqueued: list[str], django_capture_on_commit_callbacks: Any, sent_mails: SentMails
) -> None:
    """In a transaction that is rolled back after the test: what waits for the commit is run at the end of the block."""
    with django_capture_on_commit_callbacks(execute=True):
        user = get_user_model().objects.create_user("ada", "ada@example.com")
    with django_capture_on_commit_callbacks(execute=True):
        user.first_name = "Ada"
        user.save()

    assert len(sent_mails()) == len(enqueued) == 1


@pytest.mark.django_db
def test_a_user_without_an_address_is_not_welcomed(django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        get_user_model().objects.create_user("ada")

    assert callbacks == []


@pytest.mark.django_db(transaction=True)
def test_async_code_enqueues_in_a_thread(enqueued: list[str]) -> None:
    """As docs/tasks.md writes it."""
    user = get_user_model().objects.create(username="ada")

    async def welcome() -> None:
        await sync_to_async(send_welcome_mail.delay_on_commit)(user.pk)
        await sync_to_async(connections.close_all)()  # those of the thread, in which the task has run eagerly

    asyncio.run(welcome())

    assert len(enqueued) == 1
