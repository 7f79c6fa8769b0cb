"""What the tests of the example share."""

from types import SimpleNamespace

import pytest


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the pauses that the report's months take, and the waits between retries."""
    monkeypatch.setattr("base.tasks.time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr("celery.app.autoretry.get_exponential_backoff_interval", lambda **kwargs: 0)
