"""What the app changes about Celery, and has no other place."""

from typing import Any

import pytest
from celery import current_app

from background.celery import App
from background.registry import entries_in_code


@pytest.mark.parametrize(
    "url", ["redis://:hidden@host/1", "amqp://me:hidden@host//", "redis://:hidden@one/1;redis://:hidden@two/1"]
)
@pytest.mark.parametrize("with_defaults", [True, False])
def test_no_report_shows_a_password(url: str, with_defaults: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is `celery report` and `celery inspect conf`."""
    if url.startswith("redis"):
        pytest.importorskip("redis")
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    app = App(set_as_current=False)
    app.config_from_object({"CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": url}, namespace="CELERY")

    assert "hidden" not in repr(app.conf.table(with_defaults=with_defaults))
    assert "hidden" not in app.conf.humanize(with_defaults=with_defaults)
    assert app.conf.broker_url == url


def test_an_entry_that_a_handler_adds_is_one_of_the_code_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Celery's guide writes it. beat, the command, the checks and the admin all ask this function."""
    project = current_app._get_current_object()
    app = App(set_as_current=False)

    @app.on_after_finalize.connect
    def add(sender: App, **kwargs: Any) -> None:
        sender.add_periodic_task(60, sender.signature("tests.a"), name="by-a-handler")

    assert "by-a-handler" in entries_in_code(app)
    assert current_app._get_current_object() is project
