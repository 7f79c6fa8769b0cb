"""The Celery app. It is set up in config/settings/celery.py."""

import os

from celery import Celery

from background import heartbeat, reconnect, worker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

app = Celery("{{ cookiecutter.project_slug }}", task_cls="background.task:Task")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
reconnect.install()
heartbeat.install(app)
worker.install()
