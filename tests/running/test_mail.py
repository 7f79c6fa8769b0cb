"""Mails in development: printed where they are sent, or sent to the server that EMAIL_URL names."""

from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from tests.baking import Project
from tests.running.page import SUPERUSER
from tests.servers import free_port

Installed = Callable[..., Project]


class Mailbox(MessageHandler):
    """Keeps the mails that a server gets."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.mails.append(message)


@pytest.fixture
def server() -> Iterator[tuple[int, Mailbox]]:
    """A mail server: its port, and its mailbox."""
    mailbox, port = Mailbox(), free_port()
    controller: Any = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield port, mailbox
    controller.stop()


@pytest.fixture
def project(installed: Installed, tmp_path: Path) -> Project:
    project = installed(tmp_path / "project")
    project.make("migrate")
    return project


def create_user(project: Project) -> str:
    """Create a user, to whom a welcome mail is sent. Return what the command printed."""
    return project.run(project.interpreter, "manage.py", "createsuperuser", "--noinput", check=True, **SUPERUSER).stdout


def test_a_mail_is_printed(project: Project) -> None:
    assert "Subject: Welcome" in create_user(project)


def test_a_mail_goes_to_the_server_that_the_url_names(project: Project, server: tuple[int, Mailbox]) -> None:
    port, mailbox = server
    project.set_env(EMAIL_URL=f"smtp://127.0.0.1:{port}")

    assert "Subject" not in create_user(project)
    (mail,) = mailbox.mails
    assert (mail["Subject"], mail["To"]) == ("Welcome to My Project", "ada@example.com")
