"""What a worker does differently from the processes that only enqueue."""

from typing import Any

from celery.signals import celeryd_init

# Nobody waits for a worker, so a slow broker is given more time before it counts as lost than a web request can give.
BROKER_TIMEOUT = 5.0  # seconds


def refuse_without_broker(conf: Any, **kwargs: Any) -> None:
    """End a worker that is started in eager mode, with a sentence instead of silence.

    Raises:
        SystemExit: tasks run in the processes that call them, so this worker would wait for ever.
    """
    if conf.task_always_eager:
        raise SystemExit(
            "There is no broker, so there is no work for a worker: CELERY_BROKER_URL is empty and tasks run eagerly, in"
            " the process that calls them. docs/celery.md says how to turn a broker on."
        )


def be_patient(conf: Any, **kwargs: Any) -> None:
    """Widen the time limits of config/settings/celery.py, which are a web request's."""
    conf.broker_connection_timeout = conf.redis_socket_connect_timeout = conf.redis_socket_timeout = BROKER_TIMEOUT
    options = conf.broker_transport_options
    wider = dict.fromkeys({"socket_connect_timeout", "socket_timeout"} & options.keys(), BROKER_TIMEOUT)
    conf.broker_transport_options = {**options, **wider}


def install() -> None:
    """Ask and change every worker, before it connects to anything."""
    celeryd_init.connect(refuse_without_broker)
    celeryd_init.connect(be_patient)
