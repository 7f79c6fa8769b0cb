"""A developer's machine."""

from config.settings.base import *
from config.settings.base import env
from config.settings.celery import *

DEBUG = True

# Enough for a machine of one's own, where .env has not been made yet.
SECRET_KEY = env.str("DJANGO_SECRET_KEY", "for-development-only")

EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

# A developer does not wait for a long task when the code has changed: after this many seconds it goes back into the
# queue, and begins anew with the new code. honcho and watchfiles kill what has not ended five seconds after Ctrl+C.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 1
