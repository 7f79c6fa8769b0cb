"""The Celery app. It is set up in config/settings/celery.py."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

from background import beat, heartbeat, reload, worker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

# By name: without Redis there is nothing that it could import.
TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "background.redis_client:Transport"))

app = Celery("{{ cookiecutter.project_slug }}", task_cls="background.task:Task", amqp="background.connection:AMQP")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
beat.install(app)
heartbeat.install(app)
reload.install()
worker.install()
