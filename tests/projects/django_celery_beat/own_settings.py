"""The settings of django-celery-beat's tests, with the project's app."""

from t.proj.settings import *
from t.proj.settings import DATABASES, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "background"]
DATABASES["default"]["NAME"] = ":memory:"
CELERY_TASK_ALWAYS_EAGER = False
