"""The log: one JSON object a line in production, readable lines in development. docs/logs.md says what is in them.

https://www.structlog.org/en/stable/standard-library.html
https://django-structlog.readthedocs.io/en/latest/configuration.html
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.stdlib import ProcessorFormatter

# What every line has, also those of Django, Celery and other packages: the ids of the request and the task, and the user.
COMMON: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso"),
]


as_json = json.JSONEncoder(default=str).encode  # one for all lines: to make it takes as long as to use it


class JSONLines(ProcessorFormatter):
    """One JSON object a line. Where structlog has no part in it this takes half the time: a worker has a line for each task."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, dict):  # a line of structlog
            return super().format(record)
        line = {
            "event": record.getMessage(),
            **structlog.contextvars.get_contextvars(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return as_json(line)


JSON: dict[str, Any] = {
    "()": JSONLines,
    "processors": [
        ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(default=str),
    ],
}
READABLE: dict[str, Any] = {
    "()": ProcessorFormatter,
    "foreign_pre_chain": COMMON,
    "processors": [
        ProcessorFormatter.remove_processors_meta,
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
        ),
    ],
}

# A logger of structlog writes to the one of Python with its name.
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        *COMMON,
        ProcessorFormatter.wrap_for_formatter,
    ],
    wrapper_class=structlog.stdlib.BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)


def logging_as(formatter: dict[str, Any], loggers: dict[str, dict[str, Any]] | None = None) -> dict[str, Any]:
    """The setting LOGGING: what is at least an INFO goes to standard error, in this form. ``loggers`` are more of them."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            # A request has one line, which RequestLog writes. Django would add one for each that was not found.
            "django.request": {"level": "ERROR"},
            # A worker logs the end of each task. To log also that it has received one says little, and costs 4 to 9 % of its time.
            "celery.worker.strategy": {"level": "WARNING"},
            # The same once more, for each task that is enqueued, begins or ends.
            "django_structlog.celery.receivers": {"level": "CRITICAL"},
            # gunicorn warns of each HEAD, because Django leaves it to the server to leave out the body.
            "gunicorn.http.wsgi": {"level": "ERROR"},
            **(loggers or {}),
        },
    }


# Who caused a task goes with its message.
DJANGO_STRUCTLOG_CELERY_ENABLED = True
# An address is a person's. To log it is a decision.
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
# One line a request, when it ends. What went wrong has a line of its own, so none of these is a warning.
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.INFO
DJANGO_STRUCTLOG_STATUS_5XX_LOG_LEVEL = logging.INFO
