"""The project's app, whose tasks of the far future wait in the broker, as those of an older version do. The fault tests copy
this into a project.
"""

from background.task import Task
from config.celery import app

Task.is_far = lambda task, **options: False

__all__ = ["app"]
