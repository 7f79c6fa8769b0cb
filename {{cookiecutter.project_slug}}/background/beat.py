"""What beat does differently from the processes that only enqueue."""

from typing import Any

from celery import Celery, platforms
from celery.apps import beat
from celery.signals import beat_embedded_init, beat_init
from django.conf import settings


def refuse_eager_production(sender: Any, **kwargs: Any) -> None:
    """End a beat that would run the tasks in its own process, one after another, where that is not for development.

    Raises:
        SystemExit: there is no broker, and ``DEBUG`` is off.
    """
    if sender.app.conf.task_always_eager and not settings.DEBUG:
        raise SystemExit(
            "There is no broker, so beat would run each task itself, and the others would wait for it: CELERY_BROKER_URL is"
            " empty. That is for development only; docs/celery.md says how to turn a broker on."
        )


def stop_softly(sender: Any, **kwargs: Any) -> None:
    """Let a beat that is asked to end finish what it does, and give its lease back.

    A second signal may interrupt the answer to the first one, where ``sender.stop`` holds a lock, so it is asked once.
    """
    asked = False

    def stop(*args: Any) -> None:
        nonlocal asked
        if not asked:
            asked = True
            sender.stop()

    platforms.signals.update(SIGTERM=stop, SIGINT=stop)


class Beat(beat.Beat):
    """Celery's own handler writes to the database in the middle of whatever is going on, and may wait for itself there.

    It is installed before the scheduler takes the lease and reads the schedule, and ``beat_init`` is sent after that.
    """

    def install_sync_handler(self, service: Any) -> None:
        """Stop softly, from the beginning."""
        stop_softly(service)


def install(app: Celery) -> None:
    """Ask every beat before its first tick, and let its process, or the one that ``celery worker -B`` forks, end softly."""
    app.Beat = app.subclass_with_self(Beat)
    beat_embedded_init.connect(stop_softly)
    beat_init.connect(refuse_eager_production)
