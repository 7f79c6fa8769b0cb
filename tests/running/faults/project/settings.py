"""The project's own settings, with limits that a test can wait for. The fault tests copy this into a project."""

from config.settings.development import *
from config.settings.development import BROKER_URL, CELERY_BROKER_TRANSPORT_OPTIONS

DEBUG = False
ALLOWED_HOSTS = ["testserver"]
CELERY_TASK_SOFT_TIME_LIMIT = 25
CELERY_TASK_TIME_LIMIT = 28
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10  # as in production
if BROKER_URL.startswith("redis:"):
    CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"] = 30
