"""Celery: the one switch between eager and a broker, what a worker promises, and the schedule.

docs/README.md is the index of the pages that explain it. What the project changes about Celery itself is in background/.
https://docs.celeryq.dev/en/stable/userguide/configuration.html
"""

from datetime import datetime, timedelta
from ssl import CERT_REQUIRED
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from celery.schedules import crontab, solar
from django.core.exceptions import ImproperlyConfigured
from django_celery_beat.clockedschedule import clocked
from kombu.entity import Exchange, Queue

from config.settings.base import PROJECT_SLUG, TIME_ZONE, env

# Broker

# What depends on the broker is chosen by the scheme of its URL when a process starts. For processes on a machine, to change
# the URL is enough. Compose has one broker service, and its kind is an answer: docs/switching.md says how to change it.
BROKER_URL = env.str("CELERY_BROKER_URL", "")
for variable in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
    try:
        [urlsplit(url).port for url in env.str(variable, "").split(";")]
    except ValueError:
        raise ImproperlyConfigured(
            f"{variable} is not a URL. If its password has a character like / ? # or [, percent-encode that (%2F for /), or"
            " take a password of letters and digits."
        ) from None
ON_SENTINEL = BROKER_URL.startswith("sentinel:")
ON_REDIS = ON_SENTINEL or BROKER_URL.startswith(("redis:", "rediss:", "redis+socket:"))  # Valkey too
ON_RABBITMQ = BROKER_URL.startswith(("amqp:", "amqps:"))

# No broker: tasks run at once, in the calling process. This is the only switch, so nothing can contradict it.
CELERY_TASK_ALWAYS_EAGER = not BROKER_URL

# In eager mode `celery inspect` would look for a broker on localhost for six seconds.
CELERY_BROKER_URL = BROKER_URL or "memory://localhost"

# A worker waits for its broker at the start, and for a lost broker to come back, however long that takes. Celery gives up
# after a hundred attempts.
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None

# A running task goes on while the broker is lost. It is acknowledged late or comes back, and is never cut short.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False

# Enqueueing while the broker is away fails in seconds: after one more try instead of a hundred.
RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
CELERY_TASK_PUBLISH_RETRY_POLICY = RETRY_POLICY

# How long an unresponsive broker may hold up enqueueing, in seconds. This is for web requests. A worker takes longer
# (background/worker/process.py).
CELERY_BROKER_CONNECTION_TIMEOUT = 0.5

# After this many seconds without an acknowledgement Redis gives a message to another worker. The time must be longer than
# the hard time limit, or a task that is not lost runs twice. What is to run later than half of it waits in the outbox.
VISIBILITY_TIMEOUT = 900

# All keys of the broker in Redis and Valkey begin with this. Projects with one Redis would otherwise take each other's tasks,
# and throw those away that they don't know. RabbitMQ has a vhost for each project.
KEY_PREFIX = env.str("CELERY_BROKER_KEY_PREFIX", f"{PROJECT_SLUG}:")

if ON_REDIS:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "global_keyprefix": KEY_PREFIX,
        "visibility_timeout": VISIBILITY_TIMEOUT,
        # Every ten seconds a worker looks for messages whose timeout has passed. Without the second line it would look
        # only every tenth time, and the tasks of a killed worker would wait up to 100 seconds longer.
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        # One worker looks at a time, under a lock. One that dies or is cut off meanwhile would hold it for 300 seconds.
        "unacked_mutex_expire": 10,
        # A broker that accepts a connection and then does not answer would block the caller. Seconds.
        "socket_connect_timeout": 0.5,
        "socket_timeout": 0.5,
        "socket_keepalive": True,
        # A server whose machine is gone answers nothing, and no connection ends. A worker notices after two of these. Seconds.
        "health_check_interval": 3,
    }
elif ON_RABBITMQ:
    # Without confirmation, a message that RabbitMQ refuses is lost silently.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"confirm_publish": True}
    # A broker whose machine is gone is noticed after two missed heartbeats. Seconds.
    CELERY_BROKER_HEARTBEAT = 10
    # RabbitMQ 4.3 refuses the transient queues that Celery declares by default for remote control and events.
    CELERY_CONTROL_QUEUE_EXCLUSIVE = True
    CELERY_EVENT_QUEUE_EXCLUSIVE = True
    # Messages are replicated and on disk before they are confirmed. Classic queues can lose them with their node.
    CELERY_TASK_DEFAULT_QUEUE_TYPE = "quorum"

# Sentinels tell which server of Redis or Valkey is the primary: docs/failover.md. Their addresses are in the URL, separated by
# semicolons, and user and password in it are the servers'. A URL of sentinels can't ask for TLS, so a variable does, for them and
# their servers.
SENTINEL_TLS: dict[str, Any] = (
    {"ssl_cert_reqs": CERT_REQUIRED, "ssl_ca_certs": env.str("CELERY_BROKER_CA_CERTS", "") or None}
    if env.bool("CELERY_BROKER_TLS", False)
    else {}
)
SENTINEL: dict[str, Any] = {
    "master_name": env.str("CELERY_BROKER_PRIMARY", "mymaster"),  # what the sentinels call the group of servers
    "sentinel_kwargs": {
        "password": env.str("CELERY_BROKER_SENTINEL_PASSWORD", "") or None,
        "socket_connect_timeout": 0.5,
        "socket_timeout": 0.5,
        "ssl": bool(SENTINEL_TLS),
        **SENTINEL_TLS,
    },
}
if ON_SENTINEL:
    CELERY_BROKER_TRANSPORT_OPTIONS |= SENTINEL
    # A primary that dies takes along what no replica has yet. So a message counts as enqueued when so many have it.
    CELERY_BROKER_TRANSPORT_OPTIONS["replicas"] = env.int("CELERY_BROKER_REPLICAS", 1)

# With TLS the broker's certificate is verified, and that it is for the host of the URL. By default Celery verifies nothing
# for Redis and does not compare RabbitMQ's host name, so anyone in between can read and write tasks. The environment's URL
# reaches Celery directly and not through the setting above, so these settings stand beside it. `?ssl_ca_certs=FILE` in the
# URL names a certificate authority of your own.
if ON_SENTINEL and SENTINEL_TLS:
    CELERY_BROKER_USE_SSL: dict[str, Any] = SENTINEL_TLS
elif BROKER_URL.startswith("rediss:"):
    CELERY_BROKER_USE_SSL = {"ssl_cert_reqs": CERT_REQUIRED}
elif BROKER_URL.startswith("amqps:"):
    # With None, the name is that of the node that is spoken to.
    CELERY_BROKER_USE_SSL = {"cert_reqs": CERT_REQUIRED, "server_hostname": None}

# Queues

# The queues, named here once. Long work has one of its own, so a mail never waits behind reports. A worker serves all queues
# unless it is told which. Each Compose file has a worker for each queue, and tests/test_queues.py fails if one is missing.
QUEUES = ("default", "long")
QUEUE_ARGUMENTS = {"x-queue-type": "quorum"} if ON_RABBITMQ else None
CELERY_TASK_DEFAULT_QUEUE = QUEUES[0]
CELERY_TASK_DEFAULT_EXCHANGE_TYPE = "topic" if ON_RABBITMQ else "direct"
CELERY_TASK_QUEUES = [
    Queue(name, Exchange(name, CELERY_TASK_DEFAULT_EXCHANGE_TYPE), name, queue_arguments=QUEUE_ARGUMENTS)
    for name in QUEUES
]
CELERY_TASK_ROUTES: dict[str, dict[str, str]] = {
    "base.tasks.build_report": {"queue": "long"},
}

# A queue that is not named above has no worker, so its tasks would never run. Enqueueing there is an error.
CELERY_TASK_CREATE_MISSING_QUEUES = False

# Messages

# JSON in and out. With pickle, anyone who can write to the broker could run code in the worker.
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]

# Results

# Empty means the project's own database.
CELERY_RESULT_BACKEND = env.str("CELERY_RESULT_BACKEND", "") or "django-db"

# The admin's list of results shows the names, arguments and workers too. Results in Redis have no such list.
CELERY_RESULT_EXTENDED = CELERY_RESULT_BACKEND == "django-db"

# Enqueueing a task that keeps its result connects to the result backend too. That must fail as quickly. Seconds.
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS: dict[str, Any] = {"retry_policy": RETRY_POLICY}
if CELERY_RESULT_BACKEND.startswith("sentinel:"):
    CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS |= SENTINEL
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 0.5
CELERY_REDIS_SOCKET_TIMEOUT = 0.5

if CELERY_RESULT_BACKEND.startswith("sentinel:") and SENTINEL_TLS:
    CELERY_REDIS_BACKEND_USE_SSL = SENTINEL_TLS
elif CELERY_RESULT_BACKEND.startswith("rediss:"):
    CELERY_REDIS_BACKEND_USE_SSL = {"ssl_cert_reqs": CERT_REQUIRED}  # as for the broker

# Each result costs a write. A task whose result is read says `ignore_result=False`.
CELERY_TASK_IGNORE_RESULT = True

# A failure is always recorded, or a task that gave up would leave a trace only in a log. In eager mode it is raised in the
# caller instead, whose transaction it may have broken.
CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED = not CELERY_TASK_ALWAYS_EAGER

# A task that gives up leaves a row that a person can read and run again, whatever the result backend is. Rows older than this
# are deleted by the entry delete-old-records of the schedule.
FAILURES_KEPT = timedelta(days=30)

# Results older than this are deleted, by beat's entry celery.backend_cleanup or by Redis.
CELERY_RESULT_EXPIRES = timedelta(days=1)

# A result is stored in eager mode too, so that a page can read it. A failure is raised.
CELERY_TASK_STORE_EAGER_RESULT = True
CELERY_TASK_EAGER_PROPAGATES = True

# Workers

# A message is acknowledged when its task is done. If a worker is killed, another one runs its tasks. So a task may run
# twice, and must be written so that this does no harm.
CELERY_TASK_ACKS_LATE = True

# A task whose process was killed is tried again: `max_retries` times (3 by default), `default_retry_delay` seconds apart
# (background/task.py). After that it is a recorded failure. Otherwise a task that kills its process would come back for
# ever. If the retry can't be sent, the message goes back to its queue.
CELERY_TASK_RETRY_ON_WORKER_LOST = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True

# A worker process takes one message at a time, so a short task does not wait behind a long one while other processes are
# free.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1

# A task that hangs would block its process. Seconds. The soft limit raises an exception in the task first.
CELERY_TASK_SOFT_TIME_LIMIT = 270
CELERY_TASK_TIME_LIMIT = 300

# Leaked memory goes back to the machine before it runs out. A process is replaced after the task that took it beyond this
# size (KiB), and after this many tasks. With a thousand tasks, a busy worker would lose a fourteenth of its time.
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 512 * 1024
CELERY_WORKER_MAX_TASKS_PER_CHILD = 10_000

# Events cost a message for each step of each task. Only monitoring such as Flower reads them. If you run it, set both to
# True.
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TASK_SEND_SENT_EVENT = False

# On SIGQUIT a worker lets its tasks go on for this many seconds, then puts the rest back into the queue. Containers send
# SIGTERM, so REMAP_SIGTERM=SIGQUIT is set there. docs/operations.md has a table of the signals.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = env.float("CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT", 10)

# Without this a worker and beat throw away the root's handlers of LOGGING, and write only to a log of their own. Now Celery
# adds its handler only if LOGGING gives the root none (background/log.py).
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# Schedule

CELERY_TIMEZONE = TIME_ZONE

# The schedule is in the database, where the admin edits it. At each start of beat, django-celery-beat's own class would
# write the entries below over the edited ones. This class only adds those that are missing.
CELERY_BEAT_SCHEDULER = "background.beat.scheduler:Scheduler"

# The place for which solar events are computed, in degrees: north and east are positive. This is Greenwich.
SOLAR_LATITUDE = 51.4769
SOLAR_LONGITUDE = 0.0

# What a new database starts with: an example of each kind that it knows. beat and `manage.py schedule seed` write an entry
# there once. A later change here reaches the entry only through `manage.py schedule apply`.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "delete-expired-sessions": {  # a time of day
        "task": "base.tasks.delete_expired_sessions",
        "schedule": crontab(hour=3, minute=30),
    },
    "delete-old-records": {  # a length of time
        "task": "background.tasks.delete_old_records",
        "schedule": timedelta(minutes=10),
    },
    "report-at-sunset": {  # an event of the sun
        "task": "base.tasks.build_report",
        "schedule": solar("sunset", SOLAR_LATITUDE, SOLAR_LONGITUDE),
        "kwargs": {"months": 1},
    },
    "report-of-the-decade": {  # a moment: once, and never again
        "task": "base.tasks.build_report",
        "schedule": clocked(datetime(2030, 1, 1, 9, 0, tzinfo=ZoneInfo(TIME_ZONE))),
        "kwargs": {"months": 120},
        "one_off": True,
    },
}
