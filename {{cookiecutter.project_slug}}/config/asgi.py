"""The ASGI entry point. It uses the production settings (config/celery.py) unless the environment names others."""

from django.conf import settings
from django.core.asgi import get_asgi_application

# Each request has a thread of its own here. Connections that are kept would stay open with nobody to use them again.
# https://docs.djangoproject.com/en/stable/ref/databases/#persistent-database-connections
for database in settings.DATABASES.values():
    database["CONN_MAX_AGE"] = 0

application = get_asgi_application()
