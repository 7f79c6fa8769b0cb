"""Settings for production, behind a proxy that terminates TLS. What has no safe default must be in the environment.

https://docs.djangoproject.com/en/stable/howto/deployment/checklist/
"""

from django.core.exceptions import ImproperlyConfigured

from config.settings.base import *
from config.settings.base import env
from config.settings.celery import *

REQUIRED = ("DJANGO_SECRET_KEY", "DJANGO_ALLOWED_HOSTS", "EMAIL_URL")
if missing := [name for name in REQUIRED if not env.str(name, "")]:
    raise ImproperlyConfigured(
        f"The production settings need {', '.join(missing)} in the environment. On a developer's machine, set"
        " DJANGO_SETTINGS_MODULE=config.settings.development."
    )

DEBUG = False
SECRET_KEY = env.str("DJANGO_SECRET_KEY")
# Separated by commas. The proxy too takes blanks away.
ALLOWED_HOSTS: list[str] = [host for host in env.list("DJANGO_ALLOWED_HOSTS", subcast=str.strip) if host]

# https

# The proxy must set this header itself. Otherwise a client could send it and claim https.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
# The container's own probe, and monitoring beside it, speak plain http.
SECURE_REDIRECT_EXEMPT = [r"^health/(web/)?$"]
SECURE_HSTS_SECONDS = env.int("DJANGO_HSTS_SECONDS", 60)
# A browser that was told so refuses plain http for as long, for all subdomains too, and "preload" can't be taken back for
# months. https://docs.djangoproject.com/en/stable/ref/settings/#secure-hsts-preload
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("DJANGO_HSTS_INCLUDE_SUBDOMAINS", False)
SECURE_HSTS_PRELOAD = env.bool("DJANGO_HSTS_PRELOAD", False)
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]  # Django advises both, whatever else is on the domain
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True

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
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    # A worker logs the end of each task. To log also that it has received one says little, and costs 4 % of its time.
    "loggers": {"celery.worker.strategy": {"level": "WARNING"}},
}
