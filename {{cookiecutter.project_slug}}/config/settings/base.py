"""The settings that all environments share. Celery's settings are in celery.py.

https://docs.djangoproject.com/en/{{ cookiecutter.django_version }}/ref/settings/
"""

from pathlib import Path
from urllib.parse import quote

import dj_database_url
from environs import Env

BASE_DIR = Path(__file__).resolve().parents[2]

# A variable of the real environment wins over the file.
env = Env()
env.read_env(BASE_DIR / ".env", recurse=False)

PROJECT_NAME = {{ cookiecutter.project_name | python }}
PROJECT_SLUG = "{{ cookiecutter.project_slug }}"  # also the name of the database, the vhost and the Compose project

# Apps

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "django_celery_results",
    "django_structlog",
    "health_check",
    "background",
    "base",
    "users",
]

MIDDLEWARE = [
    {%- if cookiecutter.__prometheus %}
    "background.metrics.site.middleware",
    {%- endif %}
    "background.scaling.middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "background.request_log.RequestLog",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],  # the pages of errors
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Database

DATABASES = {
    "default": dj_database_url.parse(
        env.str("DATABASE_URL", "") or f"sqlite:///{quote(str(BASE_DIR / 'db.sqlite3'))}",
        # Seconds for which a connection is kept between requests. It is checked before it is used again.
        conn_max_age=60,
        conn_health_checks=True,
    ),
}

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Web, worker and beat share the file. With a write-ahead log, readers are not blocked while another process writes.
    # A transaction takes its lock when it begins, so it does not fail half-way. It waits for the lock for 20 seconds.
    # https://docs.djangoproject.com/en/{{ cookiecutter.django_version }}/ref/databases/#sqlite-notes
    DATABASES["default"]["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
    }

elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    # If the server's machine or the network fails, it is noticed within half a minute. The system's defaults allow
    # hours. All values are in seconds, except the last one, which is in milliseconds.
    # https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        connect_timeout=5, keepalives_idle=10, keepalives_interval=5, keepalives_count=3, tcp_user_timeout=25_000
    )

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Users

AUTH_USER_MODEL = "users.User"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# Scaling

# Who knows it may read at /scaling how much work each queue has: docs/operations.md. While it is empty there is no such page.
SCALING_TOKEN = env.str("SCALING_TOKEN", "")

{% if cookiecutter.__prometheus -%}
# Monitoring

# Who knows it may read the figures at /metrics. While it is empty there is no such page.
METRICS_TOKEN = env.str("METRICS_TOKEN", "")

{% endif -%}
# Language and time

LANGUAGE_CODE = "en-us"
TIME_ZONE = {{ cookiecutter.timezone | python }}
USE_TZ = True

{% if cookiecutter.django_version == "6.0" -%}
# Tasks

# Functions with Django's own decorator, as in other people's apps, run as tasks of Celery too: docs/django-tasks.md.
TASKS = {"default": {"BACKEND": "background.django_tasks.CeleryBackend"}}

{% endif -%}
# Static files

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"

# Uploads

# In production a volume, because the rest of a container can't be written to. Nothing serves these files: write a view
# that decides who may see one. https://docs.djangoproject.com/en/stable/topics/security/#user-uploaded-content-security
MEDIA_ROOT = env.str("DJANGO_MEDIA_ROOT", "") or BASE_DIR / "media"

# Mail

DEFAULT_FROM_EMAIL = {{ cookiecutter.author_email | python }}

# Errors

# Where Sentry, or a server that speaks like it, gets errors and the runs of the schedule. Empty: nowhere. docs/sentry.md
SENTRY_DSN = env.str("SENTRY_DSN", "")
SENTRY_ENVIRONMENT = env.str("SENTRY_ENVIRONMENT", "production")  # which of the project's sites it is
# Of requests and tasks, the share whose course is sent as well. 1 is all of them.
SENTRY_TRACES_SAMPLE_RATE = env.float("SENTRY_TRACES_SAMPLE_RATE", 0.0)
# Whether who a user is, what was sent in a form, and arguments and variables are sent with an error.
SENTRY_SEND_PII = env.bool("SENTRY_SEND_PII", False)
