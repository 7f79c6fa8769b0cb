"""One leader: any number of beats may run, and one of them sends. The others stand by until its lease is free."""

from datetime import datetime
from typing import Any

from celery.schedules import schedstate
from celery.utils.log import get_logger
from django.db import DatabaseError, InterfaceError, connection, transaction

from background.lease import SCHEDULE, Claim

logger = get_logger(__name__)

LOOK = 0.5  # seconds between two looks of a beat that stands by, and the longest between two ticks of the leader

LEADS = "ready, leads"
STANDS_BY = "ready, stands by"
CUT_OFF = "waiting for the database"


class Lead:
    """For django-celery-beat 2.9.0, whose ``DatabaseScheduler`` sends whatever other beats do.

    The lease is looked at before each send, and renewed in the transaction that records runs. So of a leader that was
    replaced nothing is recorded, and nothing is sent but what was under way when it was frozen. One that can't record
    does not send.
    """

    lease = SCHEDULE

    _dirty: set[str]  # the names of entries that ran, and were not recorded
    _schedule: dict[str, Any]
    _last_full_sync: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.claim = Claim(self.lease)
        self.leads = False
        self.role = ""  # for people and probes
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Take the lease if it is free, so that nobody else sends what is read now."""
        self.hold()
        super().setup_schedule()  # type: ignore[misc]

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due, if this beat leads. Return the seconds until it wants to be called again."""
        if not self.hold():
            return LOOK
        wait: float = super().tick(*args, **kwargs)  # type: ignore[misc]
        return min(wait, LOOK)

    def is_due(self, entry: Any) -> Any:
        """Look at the lease once more, just before the entry is sent."""
        if not self.claim.is_held:
            return schedstate(is_due=False, next=0.0)
        return super().is_due(entry)  # type: ignore[misc]

    def hold(self) -> bool:
        """Whether this beat leads. Renew the lease when it is time, or take it when it is free."""
        if self.claim.is_held and not self.claim.is_to_be_renewed:
            return True
        try:
            if self.leads and not self.claim.renew():
                self.step_down()
            if not self.leads and self.claim.take():
                self.step_up()
        except (DatabaseError, InterfaceError) as error:
            self.cut_off(error)
        else:
            if self.role == CUT_OFF:
                logger.info("The database is back.")
            if not self.leads and self.role != STANDS_BY:
                logger.info("This beat stands by: another leads.")
            self.role = LEADS if self.leads else STANDS_BY
        return self.leads and self.claim.is_held

    def step_up(self) -> None:
        """Lead from now on, by the schedule as the last leader left it."""
        logger.info("This beat leads: %s.", self.claim.holder)
        self.leads = True
        self._last_full_sync = datetime.min

    def step_down(self) -> None:
        """Stand by from now on. What was sent and not recorded, the next leader sends again."""
        logger.warning("This beat has lost its lease, and stands by. It had not recorded %d runs.", len(self._dirty))
        self.leads = False
        for name in self._dirty:
            self._schedule.pop(name, None)
        self._dirty.clear()

    def cut_off(self, error: Exception) -> None:
        """Send nothing until the database answers again."""
        if self.role != CUT_OFF:
            logger.error("The database is away, and beat waits for it: %s", error)
        self.role = CUT_OFF
        self.claim.suspend()
        if not connection.in_atomic_block:
            connection.close()

    def sync(self) -> None:
        """Record the runs and renew the lease: both, or neither."""
        if not (self.leads and self._dirty):
            super().sync()  # type: ignore[misc]
            return
        unrecorded = set(self._dirty)
        try:
            with transaction.atomic():
                renewed = self.claim.renew()
                if renewed:
                    super().sync()  # type: ignore[misc]
                if transaction.get_rollback():
                    raise DatabaseError("the runs could not be recorded")
        except (DatabaseError, InterfaceError) as error:
            self._dirty |= unrecorded
            self.cut_off(error)
        else:
            if not renewed:
                self.step_down()

    def close(self) -> None:
        """Record what is left, and give the lease back."""
        super().close()  # type: ignore[misc]
        try:
            if self.leads:
                self.claim.release()
        except (DatabaseError, InterfaceError) as error:
            logger.error("The lease could not be given back, and runs out by itself: %s", error)
        self.leads = False
