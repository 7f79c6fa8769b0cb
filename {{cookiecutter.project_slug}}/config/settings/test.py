"""Tests. They are eager whatever .env says, but for those that ask for a worker: these need a CELERY_BROKER_URL in the
real environment.
"""

import os

os.environ.setdefault("CELERY_BROKER_URL", "")
os.environ.setdefault("CELERY_RESULT_BACKEND", "")

from config.settings.base import *
from config.settings.base import BASE_DIR, DATABASES
from config.settings.celery import *

SECRET_KEY = "for-tests-only"

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: the worker of a test that goes through a broker is another process.
    DATABASES["default"]["TEST"] = {"NAME": BASE_DIR / "test.sqlite3"}

# A password's hash is slow by design, and no test needs it to be.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

# Files are found where they are: a test collects none. https://whitenoise.readthedocs.io/en/stable/django.html
WHITENOISE_AUTOREFRESH = True
