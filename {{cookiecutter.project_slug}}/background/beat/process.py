"""The process of ``celery beat``: how it starts, reports that it is alive, and ends."""

import time
from typing import Any

from celery import beat, platforms
from celery.apps import beat as program
from celery.signals import beat_embedded_init
from celery.utils.log import get_logger
from django.conf import settings

from background.probe import heartbeat

logger = get_logger(__name__)


class Service(beat.Service):
    """Reports at each tick that beat is alive, for any class of scheduler.

    Celery 5.7 sets ``_last_tick`` before the first tick and after each (``celery/beat.py``, ``Service.start``).
    """

    relay: Any = None
    reporter: Any = None
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

    def start(self, *args: Any, **kwargs: Any) -> None:
        """Send what is due.

        Raises:
            SystemExit: beat can't go on, for example because the database is away when it starts. The log says why.
        """
        try:
            self.start_threads()
            super().start(*args, **kwargs)
        except Exception:
            # Celery would raise it on, and Python write it a second time, through the log and in hundreds of pieces.
            logger.critical("beat ends with an error.", exc_info=True)
            raise SystemExit(1) from None

    def start_threads(self) -> None:
        """Send the messages of the outbox and report to the overview meanwhile. In eager mode there are no messages."""
        if not self.app.conf.task_always_eager:
            from background.outbox.relay import Relay  # here, because it needs models

            # The scheduler is made here: the relay's thread would make a second one. One of another class is alone.
            leadership = getattr(self.scheduler, "leadership", None)
            self.relay = Relay(self.app, lambda: leadership is None or leadership.is_held)
            self.relay.start()
        from background.overview.beat import BeatReporter  # here, because it needs models

        self.reporter = BeatReporter(self.scheduler)
        self.reporter.start()

    def sync(self) -> None:
        """Let the threads end before the lease is given back."""
        for thread in (self.relay, self.reporter):
            if thread:
                thread.stop()
        super().sync()

    def say(self) -> None:
        """Report the scheduler's state once a second, and when it changes. A second can have hundreds of ticks."""
        self.scheduler.connection.on_wait = heartbeat.say_waiting
        state, now = getattr(self.scheduler, "state", heartbeat.READY), time.monotonic()
        if state != self.said[0] or now - self.said[1] >= 1:
            heartbeat.say(state)
            self.said = state, now


class Beat(program.Beat):
    """A beat that is stopped softly.

    Celery's own handler of signals writes to the database in the middle of any other work, and may deadlock there.
    This one is installed before the scheduler takes the lease and reads the schedule.
    """

    Service = Service
    quiet: bool

    def run(self) -> None:
        """Start, in production without a banner, as a worker does."""
        self.quiet = self.quiet or not settings.DEBUG
        super().run()

    def start_scheduler(self) -> None:
        """Refuse to run the tasks of a production site one after another in this process.

        Raises:
            SystemExit: the project has no broker, and ``DEBUG`` is off.
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
    """Let a beat that is asked to stop finish its work and give its lease back, also that of ``celery worker -B``.

    A second signal may interrupt the handler of the first one while ``sender.stop`` holds a lock. So it is called once.
    """
    asked = False

    def stop(*args: Any) -> None:
        nonlocal asked
        if not asked:
            asked = True
            sender.stop()

    platforms.signals.update(SIGTERM=stop, SIGINT=stop)
