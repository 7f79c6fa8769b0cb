"""One leader. Any number of beats may run, and one of them sends. The others stand by until its lease is free."""

from collections.abc import Callable

import django.db
from celery.utils.log import get_logger
from django.db import close_old_connections

from background.beat.lease import CLOCK, Claim
from background.probe.heartbeat import READY

logger = get_logger(__name__)

LEADS = f"{READY}, leads"
STANDS_BY = f"{READY}, stands by"
CUT_OFF = "waiting for the database"
CLOCK_IS_WRONG = "not leading, as the clock of this host is wrong"


class Leadership:
    """Whether this beat leads, by its claim to a lease.

    ``gained`` is called when the beat becomes the leader, ``lost`` when another beat has taken the lease. If the
    database does not answer, a leader stays the leader but does not hold the lease until it has been renewed.
    """

    def __init__(self, lease: str, gained: Callable[[], None], lost: Callable[[], None]) -> None:
        self.claim = Claim(lease)
        self.leads = False
        self.role = ""  # for people and probes
        self.gained = gained
        self.lost = lost

    @property
    def is_held(self) -> bool:
        """Whether the lease is held at this moment. It uses only this process's clock."""
        return self.leads and self.claim.is_held

    def hold(self) -> bool:
        """Whether this beat leads. The lease is renewed when it is time, or taken if it is free."""
        if self.is_held and not self.claim.is_to_be_renewed:
            return True
        try:
            if self.leads or self.role == CLOCK_IS_WRONG or self.claim.is_free():
                self.look_at_the_clock()
                if self.role == CLOCK_IS_WRONG:
                    return False
                if self.leads and not self.claim.renew():
                    self.step_down()
                if not self.leads and self.claim.take():
                    self.step_up()
        except django.db.Error as error:
            self.cut_off(error)
        else:
            if self.role == CUT_OFF:
                logger.info("The database is back.")
            if not self.leads and self.role != STANDS_BY:
                logger.info("This beat stands by. Another one leads.")
            self.role = LEADS if self.leads else STANDS_BY
        return self.is_held

    def look_at_the_clock(self) -> None:
        """Do not lead with a clock that is wrong: the runs that others recorded would be in the future, or long ago."""
        error = self.claim.clock_error()
        if abs(error) <= CLOCK:
            if self.role == CLOCK_IS_WRONG:
                logger.info("The clock of this host is right again.")
                self.role = ""
            return
        if self.role != CLOCK_IS_WRONG:
            logger.error(
                "This beat does not lead. The clock of its host is %.0f seconds %s that of the database. Set it by NTP.",
                abs(error),
                "ahead of" if error > 0 else "behind",
            )
        if self.leads:
            self.give_back()
            self.lost()
        self.role = CLOCK_IS_WRONG

    def step_up(self) -> None:
        """Lead from now on."""
        logger.info("This beat leads: %s.", self.claim.holder)
        self.leads = True
        self.gained()

    def step_down(self) -> None:
        """Stand by from now on."""
        logger.warning("This beat has lost its lease and stands by.")
        self.leads = False
        self.lost()

    def cut_off(self, error: Exception) -> None:
        """Hold nothing until the database answers again."""
        if self.role != CUT_OFF:
            logger.error("The database is unreachable, and beat waits for it: %s", error)
        self.role = CUT_OFF
        self.claim.suspend()
        close_old_connections()

    def give_back(self) -> None:
        """Give the lease back, so that another beat leads at once."""
        try:
            if self.leads:
                self.claim.release()
        except django.db.Error as error:
            logger.error("The lease could not be given back. It will expire by itself: %s", error)
        self.leads = False
