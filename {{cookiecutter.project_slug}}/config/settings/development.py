"""Settings for a developer's machine."""

from config.settings.base import *
from config.settings.base import env
from config.settings.celery import *
from config.settings.logs import *
from config.settings.logs import READABLE, logging_as

DEBUG = True

# Enough for a developer's machine without an .env.
SECRET_KEY = env.str("DJANGO_SECRET_KEY", "for-development-only")

# A mail is printed by the process that sends it, unless EMAIL_URL names a server, such as Compose's Mailpit.
if env.str("EMAIL_URL", ""):
    globals().update(env.dj_email_url("EMAIL_URL"))
else:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

# Django has handlers of its own for these two, which would print each line twice. The second would have one for each request.
LOGGING = logging_as(READABLE, {"django": {"handlers": []}, "django.server": {"level": "ERROR"}})

SENTRY_ENVIRONMENT = env.str("SENTRY_ENVIRONMENT", "development")

# When the code has changed, a developer should not have to wait for a long task. After this many seconds it goes back
# into the queue, and starts again with the new code. honcho and watchfiles kill what still runs five seconds after
# Ctrl+C.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 1
