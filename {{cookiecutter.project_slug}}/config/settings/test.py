"""Settings for tests. Tests are eager, whatever .env says.

A test that asks for a worker needs a CELERY_BROKER_URL in the real environment.
"""

import os

os.environ.setdefault("CELERY_BROKER_URL", "")
os.environ.setdefault("CELERY_RESULT_BACKEND", "")

from config.settings.base import *
from config.settings.base import BASE_DIR, DATABASES
from config.settings.celery import *
from config.settings.logs import *

SECRET_KEY = "for-tests-only"

# For `manage.py testserver`. Tests themselves ask "testserver", which Django adds.
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: the worker of a test with a broker is another process.
    DATABASES["default"]["TEST"] = {"NAME": BASE_DIR / "test.sqlite3"}

# Hashing passwords is slow by design. Tests do not need that.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

# Static files are found in the apps, without collectstatic. https://whitenoise.readthedocs.io/en/stable/django.html
WHITENOISE_AUTOREFRESH = True

# A test that fails is no error of the site.
SENTRY_DSN = ""
