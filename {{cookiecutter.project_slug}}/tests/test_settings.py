"""The settings that depend on the environment."""

import runpy
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

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


@pytest.mark.parametrize("password", ["pa/ss", "pa?ss", "pa#ss", "pa[ss"])
@pytest.mark.parametrize("variable", ["CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"])
def test_a_password_that_breaks_its_url_is_refused_without_being_shown(
    variable: str, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f"redis://:{password}@localhost:6379/1")

    with pytest.raises(ImproperlyConfigured, match=variable) as refusal:
        celery_settings()
    assert "pa" + password[2] not in str(refusal.value)


@pytest.mark.parametrize(
    "url", ["redis://:a%2Fb@localhost/1", "sentinel://a:1;sentinel://b:2", "redis+socket:///run/a@b"]
)
def test_urls_of_any_kind_are_read(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", url)

    assert celery_settings()["CELERY_BROKER_URL"] == url
