"""The settings that depend on the environment."""

import runpy
from typing import Any

import pytest

from config.settings import celery


def celery_settings() -> dict[str, Any]:
    """Celery's settings, as a new process reads them from the current environment."""
    return runpy.run_path(celery.__file__)


@pytest.mark.parametrize(("url", "eager"), [("", True), ("redis://localhost:6379/1", False), ("amqp://", False)])
def test_the_broker_url_alone_decides_whether_tasks_are_eager(
    url: str, eager: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", url)

    assert celery_settings()["CELERY_TASK_ALWAYS_EAGER"] is eager


@pytest.mark.parametrize(("url", "backend"), [("", "django-db"), ("redis://localhost/2", "redis://localhost/2")])
def test_an_empty_result_backend_is_the_projects_database(
    url: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_RESULT_BACKEND", url)

    assert celery_settings()["CELERY_RESULT_BACKEND"] == backend


def test_a_task_is_given_up_before_redis_gives_it_to_another_worker() -> None:
    values = celery_settings()

    assert values["CELERY_TASK_SOFT_TIME_LIMIT"] < values["CELERY_TASK_TIME_LIMIT"] < values["VISIBILITY_TIMEOUT"]
