"""What the app changes about Celery, and has no other place."""

import pytest

from background.celery import App


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
