"""The project's app, whose pool looks for processes that have ended only when one ends, and not every five seconds besides.

The fault tests copy this into a project.
"""

from celery.concurrency.asynpool import AsynPool

from config.celery import app

AsynPool.timers = {}

__all__ = ["app"]
