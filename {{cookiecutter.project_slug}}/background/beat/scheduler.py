"""The scheduler of beat: the class that ``CELERY_BEAT_SCHEDULER`` names.

It keeps the schedule in the database, as django-celery-beat's does, and changes three things:

* The settings seed the schedule and never overwrite it (``background/schedule/``).
* One beat leads and the others stand by (``leadership.py``).
* A tick, an edit and a record cost the same for ten entries as for tens of thousands (``timeline.py``, ``entry.py``).

``background/UPSTREAM.md`` lists what is overridden here.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import django.db
from celery.schedules import schedstate
from celery.utils.dispatch import Signal
from celery.utils.log import get_logger
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django_celery_beat.schedulers import DatabaseScheduler
from kombu.exceptions import OperationalError

from background.beat.entry import Entry, Reader, record
from background.beat.leadership import Leadership
from background.beat.lease import SCHEDULE, clock
from background.beat.models import ScheduledTask
from background.beat.timeline import Timeline
from background.probe.heartbeat import WAITING
from background.registry import entries_in_code
from background.schedule.drift import drift
from background.schedule.seed import orphans, seed

logger = get_logger(__name__)

LOOK = 0.5  # seconds between two looks of a beat that stands by, and the longest between two ticks of the leader
READ_AGAIN = 120.0  # seconds: django-celery-beat reads a clocked entry only five minutes before its moment
RETRY = 2.0  # seconds until an unreachable server is tried again, unless an earlier tick is asked for
NEVER = float("-inf")

# For who watches. A receiver that fails is logged, and changes nothing.
# An entry is about to be sent. A receiver may add to ``headers``, which the task's message then has.
entry_due = Signal(name="entry_due", providing_args={"entry", "headers"})
# It was sent with these headers, so many seconds (``late``) after its moment.
entry_sent = Signal(name="entry_sent", providing_args={"entry", "late"})


class Scheduler(DatabaseScheduler):
    """django-celery-beat's scheduler with a leadership, a timeline and a reader of rows.

    The lease is checked before each send, and is renewed in the transaction that records runs. So a leader that was
    replaced records nothing, and sends only what was under way when it was frozen. A leader that can't record does not
    send.
    """

    Entry: Any = Entry
    Model: Any = ScheduledTask

    lease = SCHEDULE
    sync_every = 1.0  # seconds: if this leader is killed, the next one does not know of the runs since the last record
    look_every = 1.0  # seconds between two looks for changes

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.leadership = Leadership(self.lease, gained=self.read_at_once, lost=self.forget_unrecorded)
        self.timeline = Timeline()
        self.reader = Reader(self.Model, lambda row: self.Entry(row, app=self.app))
        self.broker_is_away = False
        self._schedule: dict[str, Any] = {}
        self._looked = self._read = NEVER  # when, by ``clock``
        self._read_at: datetime | None = None  # when this leader has read the rows, if it has
        super().__init__(*args, **kwargs)

    @property
    def state(self) -> str:
        """What a container's probe reads. A state that starts with "ready" counts as ready."""
        return WAITING if self.broker_is_away else self.leadership.role

    # The start

    def setup_schedule(self) -> None:
        """Seed before the schedule is read for the first time, and log how database and settings differ.

        The lease is taken first if it is free, so that no other beat sends what is read now. If the database is
        unreachable, beat exits with the error.
        """
        self.leadership.hold()
        self.install_default_entries({})
        self.update_from_dict(entries_in_code(self.app))
        for key, differences in drift(self.app).items():
            logger.warning("The entry %s has drifted: %s.", key, "; ".join(map(str, differences)))
        if keys := orphans(self.app):
            logger.warning("These entries are no longer in the settings but still run: %s.", ", ".join(keys))

    def update_from_dict(self, mapping: Mapping[str, Any]) -> None:
        """Write the entries that the database does not have: Celery's default entry, and those of the settings.

        If the settings have the default entry too, theirs counts.
        """
        own = entries_in_code(self.app)
        seeded = seed(self.app, {key: own.get(key, entry) for key, entry in mapping.items()})
        for key, reasons in seeded.refused.items():
            logger.error("The entry %s is refused and will not run: %s.", key, "; ".join(reasons))

    # A tick

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send one entry that is due, if this beat leads. Return the seconds until it wants to be called again."""
        if not self.leadership.hold():
            return LOOK
        return min(self.send_next(), float(self.max_interval), LOOK)

    def send_next(self) -> float:
        """Send the entry that comes first, if it is due. Return the seconds until the next one.

        What could not be sent because the broker is down stays due. Celery's own tick counts it as sent.
        """
        try:
            schedule = self.schedule
        except django.db.Error as error:
            logger.error("The schedule could not be read: %s", error)
            return RETRY
        if not self.timeline.is_filled:
            self.populate_heap()
        event = self.timeline.first(schedule)
        if event is None:
            return LOOK
        wait: float = event.time - self._when(event.entry, 0)
        if wait > 0:
            return wait
        entry = event.entry
        is_due, delay = self.look_at(entry)
        if is_due:
            if not self.send(entry, late=-wait):
                return RETRY
            entry = self.reserve(entry)
        self.timeline.replace_first(self._when(entry, delay), entry)
        return 0

    def look_at(self, entry: Any) -> tuple[bool, float]:
        """Whether the entry is due, and the seconds until the next look at it."""
        try:
            is_due, delay = self.is_due(entry)
        except Exception:  # as Celery has it: one entry must not stop the others
            is_due, delay = self._is_due_failed(entry)
        return is_due, delay

    def is_due(self, entry: Any) -> Any:
        """Check the lease once more, just before the entry is sent."""
        if not self.leadership.is_held:
            return schedstate(is_due=False, next=0.0)
        return super().is_due(entry)

    def send(self, entry: Any, late: float = 0.0) -> bool:
        """Send the entry's task. False if the broker is down. Any other error is the entry's, and counts as a run."""
        if not self.broker_is_away:
            logger.info("Sending due task %s (%s)", entry.name, entry.task)
        sent = self.with_headers(entry)
        try:
            self.apply_async(sent, advance=False)
        except Exception as error:
            if isinstance(error.__context__, OperationalError) and not self.app.conf.task_always_eager:
                if not self.broker_is_away:
                    logger.error("The broker is unreachable, and beat waits for it: %s", error)
                self.broker_is_away = True
                return False
            logger.error("The entry %s could not be sent: %s", entry.name, error, exc_info=True)
        else:
            entry_sent.send(self, entry=sent, late=late)
        if self.broker_is_away:
            logger.info("The broker is back.")
        self.broker_is_away = False
        return True

    def with_headers(self, entry: Any) -> Any:
        """The entry as it is sent, with the headers that those who watch add."""
        headers: dict[str, Any] = {}
        entry_due.send(self, entry=entry, headers=headers)
        if not headers:
            return entry
        sent = object.__new__(type(entry))
        options = {**entry.options, "headers": {**entry.options.get("headers", {}), **headers}}
        sent.__dict__.update(entry.__dict__, options=options)
        return sent

    def reserve(self, entry: Any) -> Any:
        new = super().reserve(entry)
        self._schedule[entry.name] = new
        return new

    def adjust(self, n: float, drift: float = 0.0) -> float:
        """The seconds to wait. Celery subtracts 10 ms, and then looks again and again until they are over."""
        return n + drift

    def populate_heap(self, *args: Any, **kwargs: Any) -> None:
        """Fill the timeline with all entries. Nothing is sent yet."""
        self.timeline.fill((self.first_look_at(entry), entry) for entry in self.schedule.values())

    def first_look_at(self, entry: Any) -> float:
        """The moment of the first look at an entry that was just read."""
        try:
            is_due, delay = entry.is_due()
        except Exception:
            is_due, delay = self._is_due_failed(entry)
        moment: float = self._when(entry, 0 if is_due else delay)
        return moment

    # Reading

    @property
    def schedule(self) -> dict[str, Any]:
        """The enabled entries by name. They are read again when a row has changed, and every ``READ_AGAIN``."""
        now = clock()
        if now - self._looked >= self.look_every:
            self._looked = now
            changed = self.schedule_changed()  # asked before reading, so that no change is missed in between
            if changed or now - self._read >= READ_AGAIN:
                self.read_again()
        return self._schedule

    def read_at_once(self) -> None:
        """Read the schedule at the next look, with what the last leader recorded."""
        self._read = NEVER
        self._read_at = None

    def read_again(self) -> None:
        """Record what ran, and read the rows. If that fails, it is tried again at the next look."""
        since, now = self._read_at, timezone.now()
        self._read = NEVER
        self.sync()
        if self._dirty:
            return
        self._heap_invalidated = bool(self._schedule)  # for ``schedules_equal``, should anything ask it
        self._schedule, changed = self.reader.read(self.enabled_models_qs(), self._schedule, since)
        if self.timeline.is_filled:
            for entry in changed:
                self.timeline.add(self.first_look_at(entry), entry)
            self.timeline.trim(self._schedule)
        self._read, self._read_at = clock(), now

    def schedule_changed(self) -> bool:
        """Whether anything has changed since the last look.

        The moment of a change is on the clock of the host that made it, so it may be earlier than that of the last one.
        """
        last = self._last_timestamp
        changed: bool = super().schedule_changed()
        return changed or (last is not None and self._last_timestamp != last)

    def _get_crontab_exclude_query(self) -> Q:
        """Exclude the crontabs that are far from their hour only if they ran or were made within the last hour.

        The others may have missed their hour while no beat ran.
        """
        recently = timezone.now() - timedelta(hours=1)
        recent = Q(last_run_at__gt=recently) | Q(last_run_at=None, date_changed__gt=recently)
        far: Q = super()._get_crontab_exclude_query()
        return far & recent

    # Recording

    def sync(self) -> None:
        """Record the runs and renew the lease in one transaction, so both or neither.

        While the database is down, the runs are kept and recorded later. A leader that was replaced records nothing.
        """
        entries = [self._schedule[name] for name in self._dirty if name in self._schedule]
        if not entries:
            self._dirty.clear()
            return
        recorded = None
        try:
            with transaction.atomic():
                if self.leadership.claim.renew():
                    recorded = self.record(entries)
        except django.db.Error as error:
            self.leadership.cut_off(error)
            return
        if recorded is None:
            self.leadership.step_down()
            return
        self._dirty.clear()
        for entry in recorded:  # it matches its row again, so it is not rebuilt
            if entry.model.one_off:
                self._schedule.pop(entry.name, None)
            elif entry.read:
                entry.read = (entry.read[0], entry.model.last_run_at, entry.model.total_run_count)

    def record(self, entries: list[Any]) -> list[Any]:
        """Write the runs of these entries, and return the entries that were written in bulk."""
        return record(self.Model, entries)

    def forget_unrecorded(self) -> None:
        """Forget what was sent and not recorded. The next leader sends it again."""
        if self._dirty:
            logger.warning("%d runs were not recorded. The next leader sends them again.", len(self._dirty))
        for name in self._dirty:
            self._schedule.pop(name, None)
        self._dirty.clear()

    def close(self) -> None:
        """Record what is left, and give the lease back."""
        super().close()
        self.leadership.give_back()
