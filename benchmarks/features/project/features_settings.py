"""The project's own settings for production, and Django's tasks with results that are kept. Copied into a project."""

from config.settings.production import *

TASKS = {
    "default": {"BACKEND": "background.django_tasks.CeleryBackend"},
    "kept": {"BACKEND": "background.django_tasks.CeleryBackend", "OPTIONS": {"keep_results": True}},
}
