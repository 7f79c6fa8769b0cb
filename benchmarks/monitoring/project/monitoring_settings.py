"""The project's own settings for production, and events where they are measured. Copied into a project."""

import os

from config.settings.production import *

CELERY_WORKER_SEND_TASK_EVENTS = CELERY_TASK_SEND_SENT_EVENT = os.environ["KIND"] == "events"
