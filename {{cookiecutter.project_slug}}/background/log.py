"""The log of ``celery worker`` and ``celery beat``, which is what the project's ``LOGGING`` says."""

import logging
from typing import Any

from celery.app import log
from celery.app.log import TaskFormatter


class Logging(log.Logging):
    """Celery's logging, in which the root's handlers of ``LOGGING`` get everything, also what tasks log.

    Without such handlers it is as Celery has it. ``worker_hijack_root_logger`` must be off, or Celery removes them.
    """

    root_is_configured = False

    def setup_logging_subsystem(self, *args: Any, **kwargs: Any) -> Any:
        """Add Celery's handlers, once in a process. See whether there are others first."""
        if not self.already_setup:
            self.root_is_configured = self._has_handler(logging.getLogger())
        return super().setup_logging_subsystem(*args, **kwargs)

    def setup_handlers(self, logger: logging.Logger, logfile: Any, *args: Any, **kwargs: Any) -> logging.Logger:
        """Add a handler to a logger that has none. The file of ``--logfile`` is written beside the root's handlers."""
        if self.root_is_configured and logger.name in ("celery.task", "multiprocessing"):
            logger.propagate = True  # the root's handlers get its records, also what the pool of processes has to say
            return logger
        if self.root_is_configured and logger is logging.getLogger() and logfile:
            handler = self._detect_handler(logfile)
            handler.setFormatter(TaskFormatter(self.format, use_color=False))
            logger.addHandler(handler)
        configured: logging.Logger = super().setup_handlers(logger, logfile, *args, **kwargs)
        return configured

    def setup_task_loggers(self, *args: Any, **kwargs: Any) -> logging.Logger:
        """Set up the logger of ``get_task_logger``. Celery's own does not hand on what it gets."""
        logger: logging.Logger = super().setup_task_loggers(*args, propagate=self.root_is_configured, **kwargs)
        return logger
