"""The Celery app. Its settings are in config/settings/celery.py, its changes to Celery in background/celery.py."""

from background.celery import App
{%- if cookiecutter.__prometheus %}
from background.metrics import install
{%- endif %}

app = App("{{ cookiecutter.project_slug }}")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
{%- if cookiecutter.__prometheus %}
install(app)  # workers and beats serve figures at METRICS_LISTEN: docs/monitoring.md
{%- endif %}
