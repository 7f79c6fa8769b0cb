"""The Celery app. Its settings are in config/settings/celery.py, its changes to Celery in background/celery.py."""

from background.celery import App

app = App("{{ cookiecutter.project_slug }}")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
