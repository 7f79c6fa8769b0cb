"""System checks of Celery's settings, tasks and schedule: what would lose work, do it twice, or stop beat.

``manage.py check --tag celery`` runs these alone; docs/celery.md lists them. An error is what loses work or stops beat,
a warning is the rest. They look at what Celery goes by (``current_app.conf``): there a variable such as
``CELERY_BROKER_URL`` of the environment wins over the setting.

https://docs.djangoproject.com/en/stable/topics/checks/
"""

import re
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from celery import Task, current_app
from celery.exceptions import QueueNotFound
from celery.utils.imports import load_extension_class_names, symbol_by_name
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.utils.module_loading import autodiscover_modules
from django_celery_beat.schedulers import DatabaseScheduler
from kombu.serialization import registry
from kombu.utils.url import maybe_sanitize_url, parse_url

from background.entry import faults

TAG = "celery"
REDIS = {"redis", "rediss", "sentinel", "valkey", "valkeys"}  # the last two are for caches; kombu has no such transport
VISIBILITY_TIMEOUT = 3600  # seconds, kombu's own: kombu/transport/redis.py
UNCHECKED = {"none", "CERT_NONE", ssl.CERT_NONE, None}  # the ways to write it for redis-py
AMQP = {"amqp", "amqps", "pyamqp"}
JSON = {"json", "application/json"}


def install() -> None:
    """Make ``manage.py check``, and each command that checks before it begins, run the checks."""
    for check in (
        check_time_limits,
        check_certificates,
        check_cache,
        check_serializers,
        check_scheduler,
        check_schedule,
    ):
        register(check, TAG)
    register(check_eager, TAG, deploy=True)


def registered_tasks() -> dict[str, Task]:
    """The tasks that a worker would know.

    ``loader.import_default_modules()`` would find them too, but makes Celery run all checks, and so this one, again
    (``celery/fixups/django.py``, ``validate_models``).
    """
    autodiscover_modules("tasks")
    for module in current_app.loader.default_modules:
        current_app.loader.import_task_module(module)
    tasks: dict[str, Task] = dict(current_app.tasks)
    return tasks


def own_tasks() -> dict[str, Task]:
    """The tasks that are not Celery's own, by name."""
    return {name: task for name, task in sorted(registered_tasks().items()) if not name.startswith("celery.")}


def urls(value: Any) -> list[str]:
    """The addresses in a setting: one, several with semicolons between them, or a list."""
    if isinstance(value, str):
        return value.split(";")
    return [url for part in value or () for url in urls(part)]


def broker_urls() -> list[str]:
    return list(dict.fromkeys([*urls(current_app.conf.broker_read_url), *urls(current_app.conf.broker_write_url)]))


# Time limits


class Limits(NamedTuple):
    """How long tasks may take, in seconds; nothing means for ever."""

    hard: float | None
    soft: float | None
    acks_late: bool


def limits() -> Iterator[tuple[str, str, Limits]]:
    """The limits of the settings, and of each task that has others, with the names of the hard and of the soft one."""
    conf = current_app.conf
    common = Limits(conf.task_time_limit, conf.task_soft_time_limit, conf.task_acks_late)
    yield "CELERY_TASK_TIME_LIMIT", "CELERY_TASK_SOFT_TIME_LIMIT", common
    for name, task in own_tasks().items():
        own = Limits(task.time_limit, task.soft_time_limit, task.acks_late)
        if own != common:
            yield f"time_limit of {name}", f"soft_time_limit of {name}", own


def check_time_limits(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Every task ends, and ends before Redis takes it for lost."""
    found: list[CheckMessage] = []
    timeout = None
    if any(urlsplit(url).scheme in REDIS for url in broker_urls()):
        timeout = current_app.conf.broker_transport_options.get("visibility_timeout", VISIBILITY_TIMEOUT)
    for hard, soft, limit in limits():
        name, longest = (soft, limit.soft) if (limit.soft or 0) > (limit.hard or 0) else (hard, limit.hard)
        if timeout and longest and longest >= timeout and limit.acks_late:
            found.append(
                Warning(
                    f"{name} is {longest} s, and the broker's visibility timeout is {timeout} s: a task that still runs"
                    " is given to another worker.",
                    hint="Lower the limit, or raise visibility_timeout in CELERY_BROKER_TRANSPORT_OPTIONS above it.",
                    id="background.W001",
                )
            )
        if not limit.hard:
            found.append(
                Warning(
                    f"{hard} is {limit.hard!r}: a task that hangs holds its worker process for ever.",
                    hint="Set a limit, in seconds. A soft limit alone does not end a task that catches its exception.",
                    id="background.W002",
                )
            )
        elif limit.soft and limit.soft >= limit.hard:
            found.append(
                Warning(
                    f"{soft} is {limit.soft} s and {hard} is {limit.hard} s: the task is killed before it can tidy up.",
                    hint="Set the soft limit some seconds below the hard one.",
                    id="background.W003",
                )
            )
    return found


# Eager mode


def check_eager(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Only a developer waits for tasks."""
    if not current_app.conf.task_always_eager or settings.DEBUG:
        return []
    return [
        Warning(
            "CELERY_TASK_ALWAYS_EAGER is True, and DEBUG is False: requests wait for their tasks, and a task that fails"
            " is not tried again later.",
            hint="Name a broker in CELERY_BROKER_URL, and run a worker; or silence this check where eager is meant.",
            id="background.W004",
        )
    ]


# Certificates

BROKER_HINTS = {
    "redis": "Put ?ssl_cert_reqs=required behind rediss://..., or into a dict as CELERY_BROKER_USE_SSL.",
    "amqp": 'Set CELERY_BROKER_USE_SSL = {"server_hostname": None}: kombu puts the URL\'s host there. Leave out cert_reqs.',
}
BACKEND_HINT = "Put ?ssl_cert_reqs=required behind rediss://..., or into a dict as CELERY_REDIS_BACKEND_USE_SSL."


def weakness(scheme: str, options: Any) -> str | None:
    """What is not checked, given a broker's scheme and TLS options; nothing where there is no TLS or all is well.

    A bare ``rediss://`` is not checked at all (``kombu/connection.py``, ``_init_params``). The options have other names
    for redis-py (``ssl_cert_reqs``) and for py-amqp (``cert_reqs``, ``server_hostname``), which looks at the host's name
    only where it is given one (``amqp/transport.py``, ``_wrap_socket_sni``).
    """
    if scheme == "rediss" and not options:
        return "takes any certificate for the broker's"
    if scheme in REDIS and options:
        if not isinstance(options, dict):
            return "is not encrypted: kombu leaves out options that are not a dict"
        if options.get("ssl_cert_reqs", "required") in UNCHECKED:
            return "takes any certificate for the broker's"
    elif scheme == "amqps" or (scheme in AMQP and options):
        options = options if isinstance(options, dict) else {}
        if options.get("cert_reqs") == ssl.CERT_NONE:
            return "takes any certificate for the broker's"
        if not options.keys() & {"server_hostname", "context"}:
            return "takes the certificate of any other host for the broker's"
    return None


def check_certificates(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Encryption without a look at the certificate keeps out nobody who can answer in the server's place."""
    conf = current_app.conf
    found = []
    for url in broker_urls():
        scheme = urlsplit(url).scheme
        try:
            options = parse_url(url).get("ssl") or conf.broker_use_ssl
        except (KeyError, ValueError):
            continue  # kombu says so itself when it connects
        if reason := weakness(scheme, options):
            found.append(("CELERY_BROKER_URL", url, reason, BROKER_HINTS["redis" if scheme in REDIS else "amqp"]))
    for url in urls(conf.result_backend):
        scheme, query = urlsplit(url).scheme, dict(parse_qsl(urlsplit(url).query))
        options = {**(conf.redis_backend_use_ssl or {}), **query}
        if scheme in REDIS and options.get("ssl_cert_reqs", "required") in UNCHECKED:
            found.append(("CELERY_RESULT_BACKEND", url, "takes any certificate for the server's", BACKEND_HINT))
    return [
        Warning(f"{name}, {maybe_sanitize_url(url)}, {reason}.", hint=hint, id="background.W005")
        for name, url, reason, hint in found
    ]


# Databases of Redis


class Database(NamedTuple):
    """One of the numbered databases of a Redis server."""

    host: str
    port: int
    number: int


def database(url: str, number: int = 0) -> Database | None:
    """The database that a URL names, ``number`` where it names none; nothing for what is not a Redis URL."""
    try:
        parts = urlsplit(url)
        named = dict(parse_qsl(parts.query)).get("db") or parts.path.strip("/") or number
        host = "localhost" if parts.hostname in {None, "127.0.0.1", "::1"} else str(parts.hostname)
        return Database(host, parts.port or 6379, int(named)) if parts.scheme in REDIS else None
    except ValueError:
        return None


def check_cache(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """``cache.clear()`` is FLUSHDB: it empties the whole database, whatever else is in it."""
    taken = [("CELERY_BROKER_URL", url) for url in broker_urls()]
    taken += [("CELERY_RESULT_BACKEND", url) for url in urls(current_app.conf.result_backend)]
    found: list[CheckMessage] = []
    for alias, cache in settings.CACHES.items():
        location = cache.get("LOCATION")
        servers = re.split("[;,]", location) if isinstance(location, str) else location
        number = (cache.get("OPTIONS") or {}).get("db") or 0
        places = {database(url, number) for url in servers} if isinstance(servers, list | tuple) else set()
        for name, url in taken:
            place = database(url)
            if place and place in places:
                found.append(
                    Error(
                        f"CACHES[{alias!r}] and {name} share database {place.number} of {place.host}:{place.port}:"
                        " cache.clear() would delete tasks or results.",
                        hint="Give the cache another number, redis://host:6379/3, or better a server of its own.",
                        id="background.E006",
                    )
                )
    return found


# Serializers


def check_serializers(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """JSON in and out; and what is sent must be accepted."""
    conf = current_app.conf
    accepted = {
        "CELERY_ACCEPT_CONTENT": conf.accept_content,
        "CELERY_RESULT_ACCEPT_CONTENT": conf.result_accept_content,
    }
    used = [
        ("CELERY_TASK_SERIALIZER", conf.task_serializer, "CELERY_ACCEPT_CONTENT"),
        (
            "CELERY_RESULT_SERIALIZER",
            conf.result_serializer,
            "CELERY_ACCEPT_CONTENT" if conf.result_accept_content is None else "CELERY_RESULT_ACCEPT_CONTENT",
        ),
    ]
    used += [
        (f"serializer of {name}", task.serializer, "CELERY_ACCEPT_CONTENT")
        for name, task in own_tasks().items()
        if task.serializer != conf.task_serializer
    ]
    unusual = [f"{name} is {value!r}" for name, value, _ in used if value not in JSON]
    unusual += [
        f"{name} has {value!r}" for name, values in accepted.items() for value in values or () if value not in JSON
    ]
    found: list[CheckMessage] = [
        Warning(
            f"{what}, not JSON.",
            hint="Use 'json'. With pickle whoever can write to the broker runs code in the worker.",
            id="background.W007",
        )
        for what in unusual
    ]
    for name, value, setting in used:
        if content_type(value) not in map(content_type, accepted[setting]):
            found.append(
                Error(
                    f"{name} is {value!r}, and {setting} is {list(accepted[setting])!r}: the message would be thrown away.",
                    hint="Use 'json' in both.",
                    id="background.E008",
                )
            )
    return found


def content_type(serializer: str) -> str:
    """The content type of a serializer, which may be given by its name or by the type itself."""
    name: str = registry.name_to_type.get(serializer, serializer)
    return name


# The schedule


def scheduler_class() -> Any:
    """The class that ``CELERY_BEAT_SCHEDULER`` names, found as ``celery beat`` finds it."""
    return symbol_by_name(
        current_app.conf.beat_scheduler, aliases=dict(load_extension_class_names("celery.beat_schedulers"))
    )


def check_scheduler(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """beat ends at once when it finds no scheduler."""
    try:
        scheduler_class()
    except (ImportError, AttributeError, ValueError) as error:
        return [
            Error(
                f"CELERY_BEAT_SCHEDULER is {current_app.conf.beat_scheduler!r}, which can't be imported: {error}.",
                hint="Write it as 'module:Class'.",
                id="background.E009",
            )
        ]
    return []


def check_schedule(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Each entry of the settings reaches the database as it is written, and a worker knows what to do with it."""
    tasks = registered_tasks()
    found: list[CheckMessage] = []
    for key, entry in current_app.conf.beat_schedule.items():
        name = f"CELERY_BEAT_SCHEDULE[{key!r}]"
        found += [
            Error(
                f"{name}: {reason}.",
                hint="Correct the entry: the database, which is the schedule, can't hold it as it is written.",
                id="background.E010",
            )
            for reason in (faults(key, entry) if is_in_database() else [])
        ]
        if isinstance(entry, Mapping):
            found += check_call(name, entry, tasks)
    return found


def is_in_database() -> bool:
    """Whether beat keeps the schedule in the database; with another scheduler an entry may hold other things."""
    return not check_scheduler(None) and issubclass(scheduler_class(), DatabaseScheduler)


def check_call(name: str, entry: Mapping[str, Any], tasks: dict[str, Task]) -> Iterator[CheckMessage]:
    """What keeps beat from sending the task of an entry, or a worker from calling it."""
    task, args, kwargs = entry.get("task"), entry.get("args") or (), entry.get("kwargs") or {}
    options = entry.get("options") or {}
    if not isinstance(task, str) or not isinstance(options, Mapping):
        return
    own = tasks[task]._get_exec_options() if task in tasks else {}
    try:
        current_app.amqp.router.route({**own, **options}, task, args, kwargs)
    except QueueNotFound as error:
        yield Error(
            f"{name}: there is no queue for it in CELERY_TASK_QUEUES: {error}.",
            hint="Name one of those queues. beat would log this error whenever the entry is due, and send nothing.",
            id="background.E013",
        )
    if task not in tasks:
        yield Error(
            f"{name}: the task {task!r} is not registered; a worker throws the message away.",
            hint="A task is named by module and function, 'app.tasks.function'. Silence this check for tasks of a worker"
            " with other code.",
            id="background.E011",
        )
    elif tasks[task].typing and isinstance(args, list | tuple) and isinstance(kwargs, dict):
        try:
            tasks[task].__header__(*args, **kwargs)
        except TypeError as error:
            yield Error(
                f"{name}: its arguments do not suit {task}: {error}.",
                hint="Correct them. beat would log this error whenever the entry is due, and send nothing.",
                id="background.E012",
            )
