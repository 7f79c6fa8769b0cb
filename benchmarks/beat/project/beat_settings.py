"""The project's settings for production, without the schedule of its own."""

from config.settings.development import *

DEBUG = False
CELERY_BEAT_SCHEDULE = {}
