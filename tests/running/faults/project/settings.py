"""The project's own settings, with limits that a test can wait for. The fault tests copy this into a project."""

from config.settings.development import *
from config.settings.development import CELERY_BROKER_TRANSPORT_OPTIONS, ON_REDIS

DEBUG = False
ALLOWED_HOSTS = ["testserver"]
CELERY_TASK_SOFT_TIME_LIMIT = 25
CELERY_TASK_TIME_LIMIT = 28
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10  # as in production
if ON_REDIS:
    CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"] = 30
