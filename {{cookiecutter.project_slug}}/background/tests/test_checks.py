"""The checks find only what would lose work, do it twice or stop beat."""

import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, current_app
from django.core.checks import CheckMessage, run_checks
from django.utils.module_loading import autodiscover_modules
from kombu.connection import Connection
from kombu.entity import Queue
from pytest_django import Settings

from background import checks
from background.checks import limits
from background.checks.cache import check_cache
from background.checks.certificates import check_certificates
from background.checks.limits import check_time_limits
from background.checks.queues import check_routes
from background.checks.schedule import check_schedule, check_scheduler, check_time_zones
from background.checks.serializers import check_serializers
from background.checks.transport import check_transport
from config import celery_app

VARIABLES = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL", "CELERY_RESULT_BACKEND")
SOUND = {
    "broker_url": "redis://localhost:6379/1",
    "broker_transport_options": {"visibility_timeout": 900},
    "result_backend": "redis://localhost:6379/2",
    "task_acks_late": True,
    "task_time_limit": 300,
    "task_soft_time_limit": 270,
    "beat_scheduler": "background.beat.scheduler:Scheduler",
}


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    """A Celery app with sound settings and no task, in the place of the project's."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    autodiscover_modules("tasks")
    project = current_app._get_current_object()
    app = Celery("checked")
    app.finalized = True  # or it would take in the tasks of the project
    app.conf.update(SOUND)
    yield app
    project.set_current()


def nothing() -> None:
    """What a task of these tests does."""


def ids(found: list[CheckMessage]) -> list[str]:
    return [str(message.id).removeprefix("background.") for message in found]


def test_the_project_passes_its_own_checks() -> None:
    assert run_checks(tags=[checks.TAG]) == []


def test_sound_settings_pass(app: Celery) -> None:
    @app.task(name="tests.add")
    def add(x: int, y: int = 1) -> None: ...

    app.conf.beat_schedule = {"add": {"task": "tests.add", "schedule": timedelta(hours=1), "args": [1]}}

    assert run_checks(tags=[checks.TAG], include_deployment_checks=True) == []


def test_a_worker_that_loads_its_tasks_checks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery runs all checks when it loads the tasks. A check that loaded them in the same way would never end."""
    monkeypatch.delenv("CELERY_SKIP_CHECKS", raising=False)
    calls: list[str] = []
    monkeypatch.setattr("background.registry.autodiscover_modules", calls.append)

    celery_app.loader.import_default_modules()

    assert 0 < len(calls) < 10  # several of the checks ask for the tasks


# Time limits


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ({}, []),
        ({"task_time_limit": 899}, []),
        ({"task_time_limit": 900}, ["W001"]),
        ({"task_time_limit": 900, "task_acks_late": False}, []),
        ({"task_time_limit": 900, "broker_url": "amqp://localhost"}, []),
        ({"task_time_limit": 900, "broker_url": "rediss://localhost?ssl_cert_reqs=required"}, ["W001"]),
        ({"task_time_limit": 900, "broker_url": "amqp://localhost;redis://localhost"}, ["W001"]),
        ({"task_time_limit": 3599, "broker_transport_options": {}}, []),
        ({"task_time_limit": 3600, "broker_transport_options": {}}, ["W001"]),
        ({"task_time_limit": None}, ["W002"]),
        ({"task_time_limit": None, "task_soft_time_limit": 900}, ["W001", "W002"]),
        ({"task_soft_time_limit": None}, []),
        ({"task_soft_time_limit": 300}, ["W003"]),
    ],
)
def test_the_limits_of_all_tasks(app: Celery, limits: dict[str, Any], found: list[str]) -> None:
    app.conf.update(limits)

    assert ids(check_time_limits(None)) == found


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, []),
        ({"time_limit": 600}, []),
        ({"time_limit": 900}, ["W001"]),
        ({"time_limit": 900, "acks_late": False}, []),
        ({"time_limit": 0}, ["W002"]),
        ({"time_limit": 60}, ["W003"]),
        ({"time_limit": 60, "soft_time_limit": 50}, []),
    ],
)
def test_the_limits_of_one_task(app: Celery, options: dict[str, Any], found: list[str]) -> None:
    @app.task(name="tests.slow", **options)
    def slow() -> None: ...

    messages = check_time_limits(None)

    assert ids(messages) == found
    assert all("tests.slow" in message.msg for message in messages)


def test_a_limit_of_all_tasks_is_reported_once(app: Celery) -> None:
    for name in ("tests.a", "tests.b"):
        app.task(name=name)(nothing)
    app.conf.task_time_limit = 900

    (message,) = check_time_limits(None)
    assert "CELERY_TASK_TIME_LIMIT is 900 s" in message.msg


def test_the_default_of_the_visibility_timeout_is_that_of_kombu() -> None:
    pytest.importorskip("redis", reason="redis is not installed")
    from kombu.transport.redis import Channel

    assert Channel.visibility_timeout == limits.VISIBILITY_TIMEOUT


# Eager mode


@pytest.mark.parametrize(("eager", "debug", "found"), [(True, False, ["W004"]), (True, True, []), (False, False, [])])
def test_eager_in_production(app: Celery, settings: Settings, eager: bool, debug: bool, found: list[str]) -> None:
    app.conf.task_always_eager = eager
    settings.DEBUG = debug

    assert ids(run_checks(tags=[checks.TAG], include_deployment_checks=True)) == found
    assert ids(run_checks(tags=[checks.TAG])) == []


# Certificates


@pytest.mark.parametrize(
    ("url", "options", "found"),
    [
        ("redis://host/1", None, []),
        ("rediss://host/1?ssl_cert_reqs=required", None, []),
        ("rediss://host/1?ssl_cert_reqs=CERT_REQUIRED", None, []),
        ("rediss://host/1", {"ssl_ca_certs": "ca.pem"}, []),
        ("rediss://host/1", None, ["W005"]),
        ("rediss://host/1?ssl_cert_reqs=none", None, ["W005"]),
        ("rediss://host/1?ssl_cert_reqs=CERT_NONE", None, ["W005"]),
        ("redis://host/1", {"ssl_cert_reqs": ssl.CERT_NONE}, ["W005"]),
        ("redis://host/1", {"ssl_cert_reqs": "none"}, ["W005"]),
        ("rediss://host/1", True, ["W005"]),
        ("rediss://host/1?ssl_cert_reqs=required;rediss://other/1", None, ["W005"]),
        ("amqp://host", None, []),
        ("amqps://host", {"server_hostname": None}, []),
        ("amqps://host", None, ["W005"]),
        ("amqp://host", True, ["W005"]),
        ("amqps://host", {"server_hostname": None, "cert_reqs": ssl.CERT_NONE}, ["W005"]),
        ("memory://", None, []),
        ("redis+socket:///run/redis.sock?virtual_host=1", None, []),
        ("sentinel://host:1;sentinel://other:2", None, []),
        ("redis://[no-address", None, []),
    ],
)
def test_the_certificate_of_the_broker(app: Celery, url: str, options: Any, found: list[str]) -> None:
    app.conf.update(broker_url=url, broker_use_ssl=options)

    assert ids(check_certificates(None)) == found


@pytest.mark.parametrize(
    ("url", "options", "found"),
    [
        ("redis://host/1", None, []),
        ("rediss://host/1?ssl_cert_reqs=required", None, []),
        ("rediss://host/1?ssl_cert_reqs=required", {"ssl_cert_reqs": ssl.CERT_NONE}, []),
        ("rediss://host/1?ssl_cert_reqs=none", None, ["W005"]),
        ("rediss://host/1?ssl_cert_reqs=CERT_NONE", None, ["W005"]),
        ("rediss://host/1", {"ssl_cert_reqs": ssl.CERT_NONE}, ["W005"]),
        ("django-db", None, []),
    ],
)
def test_the_certificate_of_the_result_backend(app: Celery, url: str, options: Any, found: list[str]) -> None:
    app.conf.update(result_backend=url, redis_backend_use_ssl=options)

    assert ids(check_certificates(None)) == found


AS_CELERY_S_GUIDE_WRITES_THEM = [
    "redis+socket:///run/redis.sock",
    "redis+socket:///run/redis.sock?virtual_host=1",
    "redis+socket:///run/redis.sock?virtual_host=1;redis://host/1",
    "sentinel://:password@one:26379/0;sentinel://two:26379",
    "redis://one/0;redis://two/0",
    "redis://[::1]:6379/0",
    "rediss://:password@host:6379/0?ssl_cert_reqs=required&ssl_ca_certs=ca.pem",
    "amqps://user:password@host:5671/vhost?heartbeat=30",
    "amqps://one//;amqps://two//",
    "pyamqp://guest@localhost//",
    "sqs://key:secret@",
    "gcpubsub://projects/project",
    "rpc://",
    "db+postgresql://user:password@host/name",
    "cache+memcached://one:11211;two:11211/",
    "file:///var/celery/results",
    "filesystem://",
    "redis",
    "",
]
MISTYPED = [
    "amqps://[::1/",
    "rediss://[::1/",
    "redis://host:port/0",
    "redis://:pass/word@host/0",
    "rediss://host?ssl_cert_reqs=x",
]


@pytest.mark.parametrize("url", [*AS_CELERY_S_GUIDE_WRITES_THEM, *MISTYPED])
def test_no_check_raises_on_a_url(app: Celery, url: str, settings: Settings) -> None:
    app.conf.update(broker_url=url, result_backend=url)
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url or "x"}}

    run_checks(tags=[checks.TAG], include_deployment_checks=True)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("redis://localhost", []),
        ("rediss://localhost", []),
        ("amqp://localhost", []),
        ("amqps://one;amqps://two", []),
        ("sentinel://one:26379;sentinel://two:26379", []),
        ("redis+socket:///tmp/redis.sock", []),
        ("redis://one/0;redis://two/0", ["W020"]),
        ("redis+cluster://one", ["E019"]),
        ("sqs://", ["W018"]),
        ("amqp://one;pyamqp://two", ["W018"]),
    ],
)
def test_the_transport_is_one_that_the_settings_know(app: Celery, url: str, found: list[str]) -> None:
    app.conf.broker_url = url

    assert ids(check_transport(None)) == found


def test_kombu_takes_any_certificate_for_a_bare_url() -> None:
    pytest.importorskip("redis", reason="redis is not installed")

    assert Connection("rediss://host/1").ssl == {"ssl_cert_reqs": ssl.CERT_NONE}


def test_the_environment_is_what_celery_connects_to(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery prefers the variable to the setting, so the variable is checked."""
    monkeypatch.setenv("CELERY_BROKER_URL", "rediss://host/1")
    app.conf.broker_url = "rediss://host/1?ssl_cert_reqs=required"

    assert ids(check_certificates(None)) == ["W005"]


def test_no_message_has_a_password_in_it(app: Celery) -> None:
    app.conf.broker_url = "rediss://:secret@host/1"

    (message,) = check_certificates(None)
    assert "host" in message.msg
    assert "secret" not in message.msg


# The cache


@pytest.mark.parametrize(
    ("location", "options", "found"),
    [
        ("redis://localhost:6379/1", {}, ["E006"]),
        ("redis://127.0.0.1/1", {}, ["E006"]),
        ("redis://:secret@localhost?db=2", {}, ["E006"]),
        ("redis://localhost", {"db": 1}, ["E006"]),
        (["redis://elsewhere", "valkey://localhost/1"], {}, ["E006"]),
        ("redis://elsewhere/1,redis://localhost/2", {}, ["E006"]),
        ("redis://localhost:6379/3", {}, []),
        ("redis://localhost:6380/1", {}, []),
        ("redis://elsewhere:6379/1", {}, []),
        ("localhost:11211", {}, []),
        (Path("/tmp"), {}, []),
        (None, {}, []),
    ],
)
def test_the_database_of_the_cache(
    app: Celery, settings: Settings, location: Any, options: dict[str, Any], found: list[str]
) -> None:
    settings.CACHES = {"default": {"BACKEND": "a.Cache", "LOCATION": location, "OPTIONS": options}}

    assert ids(check_cache(None)) == found


def test_a_broker_on_the_first_database_is_found_without_its_number(app: Celery, settings: Settings) -> None:
    app.conf.broker_url = "redis://localhost"
    settings.CACHES = {"default": {"BACKEND": "a.Cache", "LOCATION": "redis://localhost:6379/0"}}

    assert ids(check_cache(None)) == ["E006"]


def test_clearing_the_cache_of_django_empties_its_database(monkeypatch: pytest.MonkeyPatch) -> None:
    redis = pytest.importorskip("redis", reason="redis is not installed")
    from django.core.cache.backends.redis import RedisCache

    monkeypatch.setattr(redis.Redis, "execute_command", lambda self, *command, **options: command == ("FLUSHDB",))

    assert RedisCache("redis://localhost", {}).clear()  # type: ignore[func-returns-value]


# Serializers


@pytest.mark.parametrize(
    ("serializers", "found"),
    [
        ({}, []),
        ({"accept_content": ["application/json"]}, []),
        ({"accept_content": ["json", "pickle"]}, ["W007"]),
        ({"result_accept_content": ["json", "pickle"]}, ["W007"]),
        ({"task_serializer": "pickle"}, ["W007", "E008"]),
        ({"result_serializer": "yaml"}, ["W007", "E008"]),
        ({"result_serializer": "yaml", "result_accept_content": ["application/x-yaml"]}, ["W007", "W007"]),
        ({"result_accept_content": ["yaml"]}, ["W007", "E008"]),
        ({"task_serializer": "pickle", "accept_content": ["json", "pickle"]}, ["W007", "W007"]),
    ],
)
def test_the_serializers_of_the_settings(app: Celery, serializers: dict[str, Any], found: list[str]) -> None:
    app.conf.update(serializers)

    assert ids(check_serializers(None)) == found


@pytest.mark.parametrize(("serializer", "found"), [("json", []), ("pickle", ["W007", "E008"])])
def test_the_serializer_of_a_task(app: Celery, serializer: str, found: list[str]) -> None:
    app.task(name="tests.own", serializer=serializer)(nothing)

    messages = check_serializers(None)

    assert ids(messages) == found
    assert all("serializer of tests.own" in message.msg for message in messages)


# The schedule


@pytest.mark.parametrize(
    ("scheduler", "found"),
    [
        ("background.beat.scheduler:Scheduler", []),
        ("django_celery_beat.schedulers:DatabaseScheduler", []),
        ("django", []),
        ("celery.beat:PersistentScheduler", []),
        ("celery.beat:Scheduler.Nothing", ["E009"]),
        ("no_such_module:Scheduler", ["E009"]),
    ],
)
def test_the_class_of_the_scheduler(app: Celery, scheduler: str, found: list[str]) -> None:
    app.conf.beat_scheduler = scheduler

    assert ids(check_scheduler(None)) == found
    assert ids(check_schedule(None)) == []


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({}, []),
        ({"args": [1]}, []),
        ({"kwargs": {"x": 1, "y": 2}}, []),
        ({"task": "tests.ad"}, ["E011"]),
        ({"args": [1, 2, 3]}, ["E012"]),
        ({"kwargs": {"z": 1}}, ["E012"]),
        ({"schedule": 0.5}, ["E010"]),
        ({"options": {"expires": 30, "countdown": 1}}, ["E010", "E010"]),
        ({"args": "1"}, ["E010"]),
        ({"options": {"queue": "tests"}}, []),
        ({"options": {"queue": "test"}}, ["E013"]),
        ({"options": ["queue"]}, ["E010"]),
        ({"task": None}, ["E010"]),
    ],
)
def test_an_entry_of_the_schedule(app: Celery, parts: dict[str, Any], found: list[str]) -> None:
    @app.task(name="tests.add")
    def add(x: int = 0, y: int = 1) -> None: ...

    app.conf.update(task_default_queue="tests", task_queues=[Queue("tests")], task_create_missing_queues=False)
    app.conf.beat_schedule = {"an-entry": {"task": "tests.add", "schedule": timedelta(hours=1), **parts}}

    messages = check_schedule(None)

    assert ids(messages) == found
    assert all(message.msg.startswith("CELERY_BEAT_SCHEDULE['an-entry']: ") for message in messages)


def test_an_entry_that_is_no_dict_is_found(app: Celery) -> None:
    app.conf.beat_schedule = {"an-entry": "tests.add"}

    assert ids(check_schedule(None)) == ["E010"]


def test_another_scheduler_may_hold_what_the_database_cannot(app: Celery) -> None:
    app.task(name="tests.add")(nothing)
    app.conf.beat_scheduler = "celery.beat:PersistentScheduler"
    app.conf.beat_schedule = {"an-entry": {"task": "tests.add", "schedule": 0.5}}

    assert ids(check_schedule(None)) == []


# Queues


@pytest.mark.parametrize(
    ("routes", "found"),
    [
        (None, []),
        ({"tests.*": {"queue": "tests"}}, []),
        ({"tests.*": {"queue": "test"}}, ["E015"]),
        ({"tests.*": "test"}, ["E015"]),
        (([("tests.*", {"queue": "test"}), ("other.*", {"queue": "tests"})],), ["E015"]),
        ([{"tests.a": {"queue": "test"}}, {"tests.b": {"queue": "also"}}], ["E015", "E015"]),
        (lambda name, *args, **kwargs: {"queue": "test"}, ["E015"]),
        ({"tests.*": {"priority": 3}}, []),
    ],
)
def test_a_route_leads_to_a_queue_of_the_settings(app: Celery, routes: Any, found: list[str]) -> None:
    app.task(name="tests.nothing")(nothing)
    app.conf.update(
        task_default_queue="tests", task_queues=[Queue("tests")], task_create_missing_queues=False, task_routes=routes
    )

    assert ids(check_routes(None)) == found


def test_so_does_the_default(app: Celery) -> None:
    app.task(name="tests.nothing")(nothing)
    app.conf.update(task_default_queue="test", task_queues=[Queue("tests")], task_create_missing_queues=False)

    assert ids(check_routes(None)) == ["E015"]


def test_the_schedule_needs_time_zones(app: Celery, settings: Any) -> None:
    assert ids(check_time_zones(None)) == []

    settings.USE_TZ = False

    assert ids(check_time_zones(None)) == ["E016"]
