"""The project's own settings for production. Copied into a project."""

from config.settings.production import *
