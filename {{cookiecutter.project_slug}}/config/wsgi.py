"""The WSGI entry point. config/__init__.py says which settings it has."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
