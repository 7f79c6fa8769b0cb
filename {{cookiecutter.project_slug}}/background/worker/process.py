"""The process of ``celery worker``, and how it differs from processes that only enqueue."""

from typing import Any

from celery.apps import worker
from celery.concurrency import get_implementation, prefork
from django.conf import settings

from background.broker.connection import with_timeout
from background.worker import log_ids
from background.worker.prefork import TaskPool
from background.worker.stop import SoftStop

# No request waits for a worker, so it can wait longer for a slow broker than a web request can.
BROKER_TIMEOUT = 5.0  # seconds


class Worker(worker.Worker):
    """Celery's worker, configured before it connects to anything."""

    pool_cls: Any

    def on_before_init(self, **kwargs: Any) -> None:
        """Prepare the worker.

        Raises:
            SystemExit: tasks run in the processes that call them, so this worker would wait forever.
        """
        conf = self.app.conf
        if conf.task_always_eager:
            raise SystemExit(
                "CELERY_BROKER_URL is empty, so a worker would get no tasks: they run eagerly, in the process that"
                " calls them. docs/broker.md says how to turn a broker on."
            )
        be_patient(conf)
        self.app.is_worker = True
        self.soft_stop = SoftStop(self)
        self.app.loader.import_module("background.overview.control")  # it registers what a person may ask of a worker
        log_ids.listen()
        conf.worker_consumer = "background.worker.consumer:Consumer"
        # The banner is for people. What reads production's log wants lines that are all alike.
        super().on_before_init(**{**kwargs, "quiet": kwargs.get("quiet") or not settings.DEBUG})

    def prepare_args(self, **kwargs: Any) -> Any:
        """Take the project's pool of processes in the place of Celery's."""
        if get_implementation(self.pool_cls) is prefork.TaskPool:
            self.pool_cls = TaskPool
        return super().prepare_args(**kwargs)

    def install_platform_tweaks(self, worker: Any) -> None:
        """Install the handlers of signals."""
        super().install_platform_tweaks(worker)
        self.soft_stop.install()


def be_patient(conf: Any) -> None:
    """Raise the time limits of config/settings/celery.py, which are for web requests."""
    conf.broker_connection_timeout = conf.redis_socket_connect_timeout = conf.redis_socket_timeout = BROKER_TIMEOUT
    conf.broker_transport_options = with_timeout(conf.broker_transport_options, BROKER_TIMEOUT)
