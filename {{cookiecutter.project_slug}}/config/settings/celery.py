"""Celery: the one switch between eager and a broker, what a worker promises, and the schedule.

docs/celery.md says how it all works together.
https://docs.celeryq.dev/en/stable/userguide/configuration.html
"""

from datetime import datetime, timedelta
from ssl import CERT_REQUIRED
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from celery.schedules import crontab, solar
from django_celery_beat.clockedschedule import clocked
from kombu.entity import Exchange, Queue

from config.settings.base import TIME_ZONE, env

# Broker

# What depends on the broker is chosen by the scheme of its URL, when a process starts: to change the broker is to change
# the URL.
BROKER_URL = env.str("CELERY_BROKER_URL", "")
ON_REDIS = BROKER_URL.startswith(("redis:", "rediss:"))  # Valkey too
ON_RABBITMQ = BROKER_URL.startswith(("amqp:", "amqps:"))

# No broker: tasks run at once, in the calling process. This is the only switch, so nothing can contradict it.
CELERY_TASK_ALWAYS_EAGER = not BROKER_URL

# In eager mode what insists on a broker (`send_task`, `inspect`) would look for one on localhost for six seconds.
CELERY_BROKER_URL = BROKER_URL or "memory://"

# A worker that is started before its broker waits for it, and goes on when a lost broker is back, after however long:
# Celery gives up after a hundred attempts.
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None

# A task that runs while the broker is lost goes on: it is acknowledged late or comes back, and is never cut short.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False

# A task that is enqueued while the broker is away fails in seconds: one more try, not a hundred.
RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
CELERY_TASK_PUBLISH_RETRY_POLICY = RETRY_POLICY

# Seconds that a broker which says nothing may hold up whoever enqueues. Meant for a web request: background/worker.py
# gives a worker, which nobody waits for, more.
CELERY_BROKER_CONNECTION_TIMEOUT = 0.5

# The longest that a task may be out before Redis gives it to another worker, in seconds. It must be more than the hard
# time limit and any countdown or wait between retries, or a task that is not lost runs twice.
VISIBILITY_TIMEOUT = 900

if ON_REDIS:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": VISIBILITY_TIMEOUT,
        # Every ten seconds a worker looks for messages whose timeout has passed. Without the second line it would be at
        # every tenth time, and a killed worker's tasks would wait up to 100 seconds longer.
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        # A broker that accepts the connection and then says nothing would hold the caller for ever. Seconds.
        "socket_connect_timeout": 0.5,
        "socket_timeout": 0.5,
        "socket_keepalive": True,
    }
elif ON_RABBITMQ:
    # Without it RabbitMQ does not say whether it has stored a message, and one that it refuses is lost.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"confirm_publish": True}
    # A broker whose machine has gone is noticed after two missed heartbeats. Seconds.
    CELERY_BROKER_HEARTBEAT = 10
    # RabbitMQ 4.3 refuses the transient queues that Celery otherwise declares for remote control and events.
    CELERY_CONTROL_QUEUE_EXCLUSIVE = True
    CELERY_EVENT_QUEUE_EXCLUSIVE = True
    # Messages are replicated and on disk before they are confirmed. Classic queues can lose them with their node.
    CELERY_TASK_DEFAULT_QUEUE_TYPE = "quorum"

# With TLS the broker's certificate is checked, and that it is for the host of the URL. Left to itself Celery checks none
# of Redis and no host name of RabbitMQ, so that anyone in between can read and write tasks. The environment's URL reaches
# Celery directly, not by the setting above, so these stand beside it. `?ssl_ca_certs=FILE` names an authority of one's own.
if BROKER_URL.startswith("rediss:"):
    CELERY_BROKER_USE_SSL: dict[str, Any] = {"ssl_cert_reqs": CERT_REQUIRED}
elif BROKER_URL.startswith("amqps:"):
    CELERY_BROKER_USE_SSL = {"cert_reqs": CERT_REQUIRED, "server_hostname": urlsplit(BROKER_URL).hostname}

# Queues

# Long work has a queue, and in Compose a worker, of its own: a mail never waits behind reports.
QUEUE_ARGUMENTS = {"x-queue-type": "quorum"} if ON_RABBITMQ else None
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_DEFAULT_EXCHANGE_TYPE = "topic" if ON_RABBITMQ else "direct"
CELERY_TASK_QUEUES = [
    Queue(name, Exchange(name, CELERY_TASK_DEFAULT_EXCHANGE_TYPE), name, queue_arguments=QUEUE_ARGUMENTS)
    for name in ("default", "long")
]
CELERY_TASK_ROUTES: dict[str, dict[str, str]] = {
    "base.tasks.build_report": {"queue": "long"},
}

# A queue that is not named above has no worker, and its tasks would wait for ever: enqueueing there is an error.
CELERY_TASK_CREATE_MISSING_QUEUES = False

# Messages

# JSON in and out: whoever can write to the broker could otherwise run code in the worker (pickle).
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]

# Results

# Empty means the project's own database.
CELERY_RESULT_BACKEND = env.str("CELERY_RESULT_BACKEND", "") or "django-db"

# Whoever enqueues a task that keeps its result connects to the result backend too: that fails as quickly. Seconds.
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {"retry_policy": RETRY_POLICY}
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 0.5
CELERY_REDIS_SOCKET_TIMEOUT = 0.5

if CELERY_RESULT_BACKEND.startswith("rediss:"):
    CELERY_REDIS_BACKEND_USE_SSL = {"ssl_cert_reqs": CERT_REQUIRED}  # as for the broker

# A result nobody reads costs a write each. A task whose result is read says `ignore_result=False`.
CELERY_TASK_IGNORE_RESULT = True

# A failure is always recorded, or a task that gave up would leave no trace but in a log. Not in eager mode: there it is
# raised in the caller, whose transaction it may have broken.
CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED = not CELERY_TASK_ALWAYS_EAGER

# Results older than this are deleted, by beat's entry celery.backend_cleanup or by Redis.
CELERY_RESULT_EXPIRES = timedelta(days=1)

# In eager mode too a result is stored, so that a page that reads it works, and a failure is not silent.
CELERY_TASK_STORE_EAGER_RESULT = True
CELERY_TASK_EAGER_PROPAGATES = True

# Workers

# A message is acknowledged when its task is done, not before: when a worker is killed, another does its tasks. So a
# task may run twice, and is written so that this does no harm.
CELERY_TASK_ACKS_LATE = True

# A task whose process was killed is tried again, `max_retries` times (3 unless the task says otherwise) and
# `default_retry_delay` seconds apart (background/task.py), and then is a recorded failure: one that kills its process
# each time would otherwise come back for ever. Should sending the retry fail, the message goes back to its queue.
CELERY_TASK_RETRY_ON_WORKER_LOST = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True

# A worker process takes one message at a time: a short task never waits behind a long one that others could pass.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1

# A task that hangs would hold its process for ever. Seconds; the soft limit raises an exception in the task first.
CELERY_TASK_SOFT_TIME_LIMIT = 270
CELERY_TASK_TIME_LIMIT = 300

# Leaked memory goes back to the machine before it runs out: a process is replaced after the task that took it beyond
# this size (KiB), and after this many tasks. A thousand would cost a busy worker a fourteenth of its time.
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 512 * 1024
CELERY_WORKER_MAX_TASKS_PER_CHILD = 10_000

# Events cost a message for each step of each task, and nobody reads them but monitoring such as Flower. Where that runs,
# set both to True.
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TASK_SEND_SENT_EVENT = False

# On SIGQUIT a worker lets its tasks go on for this many seconds, then puts what is left back into the queue.
# Containers send SIGTERM; Compose sets REMAP_SIGTERM=SIGQUIT so that it means the same.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_WORKER_ENABLE_SOFT_SHUTDOWN_ON_IDLE = True

# Schedule

CELERY_TIMEZONE = TIME_ZONE

# The schedule is in the database, where the admin edits it. django-celery-beat's own class would write the entries below
# over the edited ones whenever beat starts; this one only adds those that are not there.
CELERY_BEAT_SCHEDULER = "background.beat.scheduler:Scheduler"

# The place for which solar events are computed, in degrees: north and east are positive. This is Greenwich.
SOLAR_LATITUDE = 51.4769
SOLAR_LONGITUDE = 0.0

# What a new database begins with: one example of each kind that it knows. `manage.py schedule seed` writes an entry there
# once, and so does beat; a later change here reaches the entry by `manage.py schedule apply`.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "delete-expired-sessions": {  # a time of day
        "task": "base.tasks.delete_expired_sessions",
        "schedule": crontab(hour=3, minute=30),
    },
    "send-missing-welcome-mails": {  # a length of time
        "task": "base.tasks.send_missing_welcome_mails",
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
