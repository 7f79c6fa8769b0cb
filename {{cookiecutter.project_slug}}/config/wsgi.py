"""The WSGI entry point. It uses the production settings (config/celery.py) unless the environment names others."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
