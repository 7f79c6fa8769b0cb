"""The Celery app of `reference_settings.py`: Celery's own classes throughout."""

from celery import Celery

app = Celery("reference_app")
app.config_from_object("django.conf:settings", namespace="CELERY")
