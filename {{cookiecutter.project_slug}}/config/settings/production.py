"""Settings for production, behind a proxy that terminates TLS. What has no safe default must be in the environment.

https://docs.djangoproject.com/en/stable/howto/deployment/checklist/
"""

import logging

from django.core.exceptions import ImproperlyConfigured

from config.settings.base import *
from config.settings.base import env
from config.settings.celery import *
from config.settings.logs import *
from config.settings.logs import JSON, logging_as

DEVELOPMENT = "For development set DJANGO_SETTINGS_MODULE=config.settings.development."
REQUIRED = ("DJANGO_SECRET_KEY", "DJANGO_ALLOWED_HOSTS", "EMAIL_URL")
if missing := [name for name in REQUIRED if not env.str(name, "").strip(" ,")]:
    raise ImproperlyConfigured(
        f"The production settings need {', '.join(missing)} in the environment: README.md says what for. {DEVELOPMENT}"
    )

DEBUG = False
SECRET_KEY = env.str("DJANGO_SECRET_KEY")
if SECRET_KEY in {"change-me-secret-key", "for-development-only"}:
    raise ImproperlyConfigured(
        f"DJANGO_SECRET_KEY is {SECRET_KEY!r}, which everyone knows. `openssl rand -hex 32` makes a secret. {DEVELOPMENT}"
    )

# Separated by commas, blanks or both. deploy/ and compose.production.yaml read the variable in the same way.
ALLOWED_HOSTS = env.str("DJANGO_ALLOWED_HOSTS").replace(",", " ").split()

# https

# The proxy must set this header itself. Otherwise a client could send it and claim https.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# False is for a trial without a proxy, on a machine of one's own.
HTTPS = env.bool("DJANGO_HTTPS", True)
SECURE_SSL_REDIRECT = HTTPS
# The container's own probe, and monitoring beside it, speak plain http.
SECURE_REDIRECT_EXEMPT = [r"^health/(web/)?$"]
# For other sites of the domain, and for years in the browsers' own list, only who owns the domain can speak. So `check
# --deploy` does not ask for the last two.
SECURE_HSTS_SECONDS = env.int("DJANGO_HSTS_SECONDS", 60)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("DJANGO_HSTS_INCLUDE_SUBDOMAINS", False)
SECURE_HSTS_PRELOAD = env.bool("DJANGO_HSTS_PRELOAD", False)
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS

# Static files

# A file's name contains the hash of its content, so browsers may cache it forever.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# Mail

globals().update(env.dj_email_url("EMAIL_URL"))

# Logs

# To standard error, where the container's engine collects them. By default Django is silent when DEBUG is off.
LOGGING = logging_as(JSON)
logging.captureWarnings(True)
