"""Celery's settings as the best-known Django template ships them, on the project's Django. Copied into a project.

cookiecutter-django, config/settings/base.py, November 2026: what it leaves at Celery's default is not named here.
"""

from config.settings.base import *
from config.settings.base import env

DEBUG = False
CELERY_TASK_ALWAYS_EAGER = False  # Celery's default: the project's pages ask for it

CELERY_TIMEZONE = "UTC"
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL")
CELERY_RESULT_BACKEND = CELERY_BROKER_URL
CELERY_RESULT_EXTENDED = True
CELERY_RESULT_BACKEND_ALWAYS_RETRY = True
CELERY_RESULT_BACKEND_MAX_RETRIES = 10
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_TASK_TIME_LIMIT = 5 * 60
CELERY_TASK_SOFT_TIME_LIMIT = 60
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_TASK_SEND_SENT_EVENT = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
