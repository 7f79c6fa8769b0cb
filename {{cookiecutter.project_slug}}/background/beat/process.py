"""The process of ``celery beat``: how it starts, says that it lives, and ends."""

import time
from typing import Any

from celery import beat, platforms
from celery.apps import beat as program
from celery.signals import beat_embedded_init
from django.conf import settings

from background.probe import heartbeat


class Service(beat.Service):
    """Says at each tick that beat lives, whatever class its scheduler is of.

    Celery 5.7 sets ``_last_tick`` before the first tick and after each (``celery/beat.py``, ``Service.start``).
    """

    ticked: float | None = None  # seconds, on time.monotonic
    said = "", 0.0  # what, and when

    @property
    def _last_tick(self) -> float | None:
        return self.ticked

    @_last_tick.setter
    def _last_tick(self, moment: float | None) -> None:
        self.ticked = moment
        if moment is not None:
            self.say()

    def say(self) -> None:
        """Say how the scheduler is, once a second unless that changes: there can be hundreds of ticks in a second."""
        self.scheduler.connection.on_wait = heartbeat.say_waiting
        state, now = getattr(self.scheduler, "state", heartbeat.READY), time.monotonic()
        if state != self.said[0] or now - self.said[1] >= 1:
            heartbeat.say(state)
            self.said = state, now


class Beat(program.Beat):
    """Celery's own handler writes to the database in the middle of whatever goes on, and may wait for itself there.

    This handler is installed before the scheduler takes the lease and reads the schedule.
    """

    Service = Service

    def start_scheduler(self) -> None:
        """Refuse to run the tasks of a production site one after another in this process.

        Raises:
            SystemExit: there is no broker, and ``DEBUG`` is off.
        """
        if self.app.conf.task_always_eager and not settings.DEBUG:
            raise SystemExit(
                "CELERY_BROKER_URL is empty, so beat would run each task itself, one after another. That is for development"
                " only. docs/broker.md says how to turn a broker on."
            )
        super().start_scheduler()

    def install_sync_handler(self, service: Any) -> None:
        """Stop softly, from the start."""
        stop_softly(service)


@beat_embedded_init.connect
def stop_softly(sender: Any, **kwargs: Any) -> None:
    """Let a beat that is asked to end finish what it does and give its lease back. So does that of ``celery worker -B``.

    A second signal may interrupt the answer to the first one, where ``sender.stop`` holds a lock. So it is asked once.
    """
    asked = False

    def stop(*args: Any) -> None:
        nonlocal asked
        if not asked:
            asked = True
            sender.stop()

    platforms.signals.update(SIGTERM=stop, SIGINT=stop)
