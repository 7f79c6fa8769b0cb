"""What the tests of the example share."""

from types import SimpleNamespace

import pytest


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the report's pauses and the waits between retries of tasks that run here, and not in the worker."""
    monkeypatch.setattr("base.tasks.time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr("celery.app.autoretry.get_exponential_backoff_interval", lambda **kwargs: 0)
