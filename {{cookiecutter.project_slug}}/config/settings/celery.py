"""Celery: the one switch between eager and a broker, what a worker promises, and the schedule.

docs/celery.md says how it all works together.
https://docs.celeryq.dev/en/stable/userguide/configuration.html
"""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from celery.schedules import crontab, solar
from django_celery_beat.clockedschedule import clocked

from config.settings.base import TIME_ZONE, env

# Broker

BROKER_URL = env.str("CELERY_BROKER_URL", "")

# No broker: tasks run at once, in the calling process. This is the only switch, so nothing can contradict it.
CELERY_TASK_ALWAYS_EAGER = not BROKER_URL

# In eager mode what insists on a broker (`send_task`, `inspect`) would look for one on localhost for six seconds.
CELERY_BROKER_URL = BROKER_URL or "memory://"

# A worker that is started before its broker waits for it, and goes on when a lost broker is back.
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

# A task that is enqueued while the broker is away fails in seconds: one more try, not a hundred.
RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
CELERY_TASK_PUBLISH_RETRY_POLICY = RETRY_POLICY

# The longest that a task may be out before Redis gives it to another worker, in seconds. It must be more than the hard
# time limit and any countdown or wait between retries, or a task that is not lost runs twice.
VISIBILITY_TIMEOUT = 900

if BROKER_URL.startswith("redis"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": VISIBILITY_TIMEOUT,
        # A broker that accepts the connection and then says nothing would hold the caller for ever. Seconds.
        "socket_connect_timeout": 0.5,
        "socket_timeout": 5,
    }
elif BROKER_URL.startswith("amqp"):
    # Without it RabbitMQ does not say whether it has stored a message, and one that it refuses is lost.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"confirm_publish": True}
    # RabbitMQ 4.3 refuses the transient queues that Celery otherwise declares for remote control and events.
    CELERY_CONTROL_QUEUE_EXCLUSIVE = True
    CELERY_EVENT_QUEUE_EXCLUSIVE = True

# Messages

# JSON in and out: whoever can write to the broker could otherwise run code in the worker (pickle).
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]

# Results

# Empty means the project's own database.
CELERY_RESULT_BACKEND = env.str("CELERY_RESULT_BACKEND", "") or "django-db"

# Whoever enqueues a task that keeps its result connects to the result backend too: that fails as quickly.
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {"retry_policy": RETRY_POLICY}

# A result nobody reads costs a write each. A task whose result is read says `ignore_result=False`.
CELERY_TASK_IGNORE_RESULT = True

# Results older than this are deleted, by beat's entry celery.backend_cleanup or by Redis.
CELERY_RESULT_EXPIRES = timedelta(days=1)

# In eager mode too a result is stored, so that a page that reads it works, and a failure is not silent.
CELERY_TASK_STORE_EAGER_RESULT = True
CELERY_TASK_EAGER_PROPAGATES = True

# Workers

# A message is acknowledged when its task is done, not before: when a worker is killed, another does its tasks. So a
# task may run twice, and is written so that this does no harm.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True

# A worker process takes one message at a time: a short task never waits behind a long one that others could pass.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1

# A task that hangs would hold its process for ever. Seconds; the soft limit raises an exception in the task first.
CELERY_TASK_SOFT_TIME_LIMIT = 270
CELERY_TASK_TIME_LIMIT = 300

# On SIGQUIT a worker lets its tasks go on for this many seconds, then puts what is left back into the queue.
# Containers send SIGTERM; Compose sets REMAP_SIGTERM=SIGQUIT so that it means the same.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_WORKER_ENABLE_SOFT_SHUTDOWN_ON_IDLE = True

# Schedule

CELERY_TIMEZONE = TIME_ZONE

# Where beat reads the schedule. This one keeps it in the database, where the admin edits it.
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"

# The place for which solar events are computed, in degrees: north and east are positive. This is Greenwich.
SOLAR_LATITUDE = 51.4769
SOLAR_LONGITUDE = 0.0

# One example of each kind that the database knows. `manage.py schedule seed` writes them there, and so does beat.
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
