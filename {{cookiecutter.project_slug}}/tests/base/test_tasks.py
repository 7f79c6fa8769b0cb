"""The rules that the example tasks keep."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from email.message import EmailMessage
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from smtplib import SMTPServerDisconnected
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from celery import shared_task
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone
from kombu.exceptions import EncodeError

from base.models import WelcomeMail
from base.tasks import (
    PROGRESS,
    build_report,
    delete_expired_sessions,
    last_months,
    post_to_webhook,
    send_welcome_mail,
)

pytestmark = pytest.mark.django_db(transaction=True)

Run = Callable[..., Any]
SentMails = Callable[[], list[EmailMessage]]


@shared_task(name="tests.returns_a_set", ignore_result=False)
def returns_a_set() -> set[int]:
    return {1, 2}


class Service(HTTPServer):
    """The other end of a webhook. It records each request and answers from a list, finally with OK."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[HTTPStatus] = []
        self.keys: list[str | None] = []
        self.payloads: list[dict[str, Any]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        self.server.keys.append(self.headers["Idempotency-Key"])
        self.server.payloads.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.answers.pop(0) if self.server.answers else HTTPStatus.OK)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def user_pk() -> int:
    """A user who has not been welcomed yet."""
    user_model = get_user_model()
    user_model.objects.bulk_create([user_model(username="ada", email="ada@example.com")])
    return user_model.objects.get(username="ada").pk


@pytest.mark.usefixtures("both_modes")
def test_a_welcome_mail_that_is_run_twice_is_sent_once(user_pk: int, run: Run, sent_mails: SentMails) -> None:
    run(send_welcome_mail, user_pk)
    run(send_welcome_mail, user_pk)

    assert [sent["To"] for sent in sent_mails()] == ["ada@example.com"]


def test_a_welcome_mail_that_was_recorded_is_never_sent_again(user_pk: int, run: Run, sent_mails: SentMails) -> None:
    WelcomeMail.objects.create(user_id=user_pk, sent_at=timezone.now() - timedelta(days=400))

    run(send_welcome_mail, user_pk)

    assert sent_mails() == []


@pytest.mark.usefixtures("both_modes")
def test_a_welcome_mail_that_was_not_recorded_goes_out_again_under_the_same_message_id(
    user_pk: int, run: Run, sent_mails: SentMails
) -> None:
    """As after a worker that died between sending and recording."""
    run(send_welcome_mail, user_pk)
    WelcomeMail.objects.update(sent_at=None)
    run(send_welcome_mail, user_pk)

    first, second = (sent["Message-ID"] for sent in sent_mails())
    assert first == second
    assert first.startswith(f"<welcome-{user_pk}@")


@pytest.mark.parametrize("error", [SMTPServerDisconnected, ConnectionRefusedError, OperationalError, InterfaceError])
def test_a_welcome_mail_waits_for_what_is_away(
    error: type[Exception], user_pk: int, run: Run, sent_mails: SentMails, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, send = [error("away"), error("away")], mail.EmailMessage.send

    def send_or_fail(message: mail.EmailMessage) -> int:
        if away:
            raise away.pop()
        return send(message)

    monkeypatch.setattr(mail.EmailMessage, "send", send_or_fail)
    run(send_welcome_mail, user_pk)

    assert [sent["To"] for sent in sent_mails()] == ["ada@example.com"]


def test_a_user_who_has_gone_gets_no_welcome_mail(user_pk: int, run: Run, sent_mails: SentMails) -> None:
    get_user_model().objects.all().delete()

    run(send_welcome_mail, user_pk)

    assert sent_mails() == []
    assert not WelcomeMail.objects.exists()


@pytest.mark.usefixtures("both_modes")
def test_a_report_counts_the_users_who_joined_in_each_month(user_pk: int, run: Run) -> None:
    before, this = last_months(2)

    report = run(build_report, months=2, pause=0)

    rows = [{"month": f"{before:%Y-%m}", "users": 0}, {"month": f"{this:%Y-%m}", "users": 1}]
    assert report == {"months": rows, "total": 1}


def test_the_last_months_end_with_this_one_and_cross_the_year() -> None:
    months = last_months(13)

    assert months[-1] == timezone.localdate().replace(day=1)
    assert months[0] == date(months[-1].year - 1, months[-1].month, 1)
    assert months == sorted(set(months))


def test_a_report_stores_its_progress_while_it_runs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stored at each month's pause is read on another connection, as a status page reads it."""
    seen = []
    monkeypatch.setattr("base.tasks.time", SimpleNamespace(sleep=lambda seconds: seen.append(stored_elsewhere())))

    run(build_report, months=3)

    assert seen == [(PROGRESS, {"done": done, "total": 3}) for done in range(3)]


def stored_elsewhere() -> tuple[str, Any]:
    """The state and the info of the task that runs, as another process sees them."""

    def read(task_id: str) -> tuple[str, Any]:
        meta = build_report.backend.get_task_meta(task_id)
        connection.close()
        return meta["status"], meta["result"]

    with ThreadPoolExecutor(1) as another:
        return another.submit(read, build_report.request.id).result()


def test_a_webhook_is_told_again_until_it_answers(service: Service, run: Run) -> None:
    service.answers = [HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.BAD_GATEWAY]

    run(post_to_webhook, service.url, "event-1", {"on": "2026-01-31"})

    assert service.payloads == [{"on": "2026-01-31"}] * 3
    assert service.keys == ["event-1"] * 3


def test_a_webhook_that_never_answers_is_given_up_after_max_retries(service: Service, run: Run) -> None:
    service.answers = [HTTPStatus.SERVICE_UNAVAILABLE] * 100

    with pytest.raises(OSError):  # noqa: PT011 - the message does not survive every result backend
        run(post_to_webhook, service.url, "event-1", {})

    assert len(service.keys) == 1 + post_to_webhook.max_retries


@pytest.mark.usefixtures("both_modes")
def test_only_expired_sessions_are_deleted(run: Run) -> None:
    for key, days in {"expired": -1, "current": 1}.items():
        Session.objects.create(session_key=key, expire_date=timezone.now() + timedelta(days=days))

    run(delete_expired_sessions)

    assert [session.session_key for session in Session.objects.all()] == ["current"]


def test_an_argument_that_json_cannot_carry_is_refused() -> None:
    with pytest.raises(EncodeError):
        build_report.delay(months={1, 2})


def test_a_result_that_json_cannot_carry_is_refused(run: Run) -> None:
    with pytest.raises(EncodeError):
        run(returns_a_set)
