"""The settings that depend on the environment."""

import runpy
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.settings import celery

NEEDED = {"DJANGO_SECRET_KEY": "x" * 50, "DJANGO_ALLOWED_HOSTS": "example.com", "EMAIL_URL": "smtp://localhost"}


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


def production_settings(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    """Production's settings, as a new process reads them from these variables."""
    for name in ("DJANGO_HSTS_SECONDS", "DJANGO_HSTS_INCLUDE_SUBDOMAINS", "DJANGO_HSTS_PRELOAD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**NEEDED, **variables}.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(Path(celery.__file__).with_name("production.py")))


@pytest.mark.parametrize(
    "hosts",
    [
        "example.com,www.example.com",
        "example.com, www.example.com",
        " example.com ,\twww.example.com, ",
        "example.com www.example.com",
    ],
)
def test_hosts_are_separated_by_commas_and_blanks(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = production_settings(monkeypatch, DJANGO_ALLOWED_HOSTS=hosts)

    assert settings["ALLOWED_HOSTS"] == ["example.com", "www.example.com"]


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("value", ["", " "])
def test_production_names_what_it_lacks(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"need {name} in the environment"):
        production_settings(monkeypatch, **{name: value})


def test_hsts_speaks_for_other_sites_and_for_years_only_if_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD")
    default = production_settings(monkeypatch, DJANGO_HSTS_SECONDS="31536000")
    asked = production_settings(monkeypatch, DJANGO_HSTS_INCLUDE_SUBDOMAINS="true", DJANGO_HSTS_PRELOAD="true")

    assert [default[name] for name in names] == [False, False]
    assert [asked[name] for name in names] == [True, True]


@pytest.mark.parametrize(
    "url",
    [
        "redis+socket:///run/redis.sock?virtual_host=1",
        "sentinel://one:26379;sentinel://two:26379",
        "redis://one/0;redis://two/0",
        "redis://:a%2Fb@localhost/1",
        "redis+socket:///run/a@b",
        "amqps://user:password@host:5671/vhost?heartbeat=30",
        "amqps://one//;amqps://two//",
    ],
)
def test_no_broker_url_stops_the_settings(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", url)

    assert celery_settings()["CELERY_BROKER_URL"] == url
