"""The process of ``celery worker``, and how it differs from processes that only enqueue."""

import signal
from typing import Any

from celery.apps import worker

from background.broker.connection import with_timeout
from background.worker import reload

# No request waits for a worker, so it can wait longer for a slow broker than a web request can.
BROKER_TIMEOUT = 5.0  # seconds


class Worker(worker.Worker):
    """Celery's worker, configured before it connects to anything."""

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
        conf.worker_consumer = "background.worker.consumer:Consumer"
        super().on_before_init(**kwargs)

    def install_platform_tweaks(self, worker: Any) -> None:
        """Install the handlers of signals."""
        super().install_platform_tweaks(worker)
        if reload.is_under_watchfiles():
            signal.signal(signal.SIGINT, signal.getsignal(signal.SIGQUIT))


def be_patient(conf: Any) -> None:
    """Raise the time limits of config/settings/celery.py, which are for web requests."""
    conf.broker_connection_timeout = conf.redis_socket_connect_timeout = conf.redis_socket_timeout = BROKER_TIMEOUT
    conf.broker_transport_options = with_timeout(conf.broker_transport_options, BROKER_TIMEOUT)
