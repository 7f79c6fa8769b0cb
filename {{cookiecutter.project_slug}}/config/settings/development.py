"""A developer's machine."""

from config.settings.base import *
from config.settings.base import env
from config.settings.celery import *

DEBUG = True

# Enough for a machine of one's own, where .env has not been made yet.
SECRET_KEY = env.str("DJANGO_SECRET_KEY", "for-development-only")

EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
