"""A worker is refused where it would get nothing to do."""

from typing import Any

from celery.signals import celeryd_init


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


def install() -> None:
    """Ask every worker, before it connects to anything."""
    celeryd_init.connect(refuse_without_broker)
