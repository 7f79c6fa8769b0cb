"""The Celery app. Its settings are in config/settings/celery.py, its changes to Celery in background/celery.py.

``import config`` imports this module, whichever program starts. So the settings are production's, unless the environment or
``manage.py`` has named others before.
"""

import os

from background.celery import App

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

app = App("{{ cookiecutter.project_slug }}")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
