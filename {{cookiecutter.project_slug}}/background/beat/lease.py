"""A lease in the project's database. Of any number of processes on any number of hosts, one holds it at a time.

The holder renews the lease. If it was killed, hangs or is cut off from the database, the lease runs out and another
process takes it. Each step is one statement that the database decides and times. So the lease does not depend on the
clocks of hosts, and a transaction pooler may be in between. The holder uses its own clock only to know how long ago it
asked for the last renewal. It considers the lease lost ``MARGIN`` before another process may take it.
"""

import os
import socket
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from background.beat.models import Lease

SCHEDULE = "beat"  # the lease of the beat that sends what is due

LIFETIME = 12.0  # seconds from a renewal to when another may take the lease
RENEWAL = 3.0  # seconds between two renewals
CLOCK = 30.0  # seconds by which the host's clock may differ from the database's. Runs come so much earlier or later
MARGIN = 3.0  # seconds, for a clock that is adjusted, and for what the holder does after its last look
EPOCH = datetime.fromtimestamp(0, UTC)


class Tenure(NamedTuple):
    """Who holds a lease, or held it last, on the database's clock."""

    holder: str  # host:process:some letters; empty if it was given back
    since: datetime
    ticked: datetime  # the last renewal
    age: timedelta  # since then
    is_live: bool  # it has not run out


def tenure(name: str) -> Tenure | None:
    """The state of a lease, in one query. None if it was never held."""
    age = models.ExpressionWrapper(Now() - models.F("ticked"), models.DurationField())
    is_live = models.Q(expires__gt=Now())
    rows = Lease.objects.annotate(age=age, is_live=is_live).filter(name=name)
    fields = rows.values_list("holder", "since", "ticked", "age", "is_live").first()
    return Tenure(*fields) if fields else None


def clock() -> float:
    """Seconds on a clock that is never adjusted. Where the system has one, it also runs while the machine sleeps."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


class Claim:
    """One process's claim to a lease. Its methods raise what the database raises; ``is_held`` never does."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.holder = f"{socket.gethostname()[:200]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.renewed: float | None = None  # when the last renewal was asked for, by ``clock``

    @property
    def is_held(self) -> bool:
        """Whether the lease is ours, and will be for at least ``MARGIN``."""
        return self.renewed is not None and clock() - self.renewed < LIFETIME - MARGIN

    @property
    def is_to_be_renewed(self) -> bool:
        return self.renewed is None or clock() - self.renewed >= RENEWAL

    def clock_error(self) -> float:
        """Seconds by which this host's clock is ahead of the database's. Zero if the lease was never held."""
        row = Lease.objects.annotate(now=Now()).filter(name=self.name).values_list("now", flat=True).first()
        return (timezone.now() - row).total_seconds() if row else 0.0

    def is_free(self) -> bool:
        """Whether nobody holds the lease. A beat that waits asks only this."""
        return not Lease.objects.filter(name=self.name, expires__gt=Now()).exists()

    def take(self) -> bool:
        """Take the lease if it is free: it has run out, was given back, or was never held."""
        if not self.is_free():
            return False
        row = Lease.objects.filter(name=self.name)
        free = row.filter(expires__lte=Now())
        if self._hold(free, since=Now()):
            return True
        unheld = Lease(name=self.name, holder="", since=EPOCH, ticked=EPOCH, expires=EPOCH)
        Lease.objects.bulk_create([unheld], ignore_conflicts=True)
        return self._hold(free, since=Now())

    def renew(self) -> bool:
        """Hold the lease for another ``LIFETIME``. False if another process has taken it.

        A lease that has run out can still be renewed until another process takes it.
        """
        return self._hold(Lease.objects.filter(name=self.name, holder=self.holder))

    def release(self) -> None:
        """Give the lease back, so that another can take it at once."""
        self.renewed = None
        Lease.objects.filter(name=self.name, holder=self.holder).update(holder="", expires=Now())

    def suspend(self) -> None:
        """Do not count the lease as held until it is renewed."""
        self.renewed = None

    def _hold(self, rows: models.QuerySet[Lease], **fields: Now) -> bool:
        asked = clock()
        expires = Now() + timedelta(seconds=LIFETIME)
        held = rows.update(holder=self.holder, ticked=Now(), expires=expires, **fields) == 1
        self.renewed = asked if held else None
        return held
