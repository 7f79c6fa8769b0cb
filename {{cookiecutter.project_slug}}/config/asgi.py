"""The ASGI entry point. config/__init__.py says which settings it has."""

from django.core.asgi import get_asgi_application
from django.db import connections

application = get_asgi_application()

# Under ASGI a request runs in a thread of its own. A connection that is kept stays open behind it and is never used again,
# until the database has no more.
# https://docs.djangoproject.com/en/stable/ref/databases/#persistent-database-connections
for alias in connections:
    connections.settings[alias]["CONN_MAX_AGE"] = 0
