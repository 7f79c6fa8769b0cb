"""The project's own settings for production, without what a kind leaves out. Copied into a project."""

import os

from background.worker import log_ids
from config.settings.logs import JSON, logging_as
from config.settings.production import *

KIND = os.environ["KIND"]
CELERY_WORKER_SEND_TASK_EVENTS = CELERY_TASK_SEND_SENT_EVENT = KIND == "events"
LOGGING = logging_as(JSON)
if KIND not in ("logs", "all"):
    DJANGO_STRUCTLOG_CELERY_ENABLED = False
    log_ids.listen = lambda: None
    LOGGING["formatters"]["line"] = {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}
if KIND == "received":
    LOGGING["loggers"]["celery.worker.strategy"]["level"] = "INFO"
