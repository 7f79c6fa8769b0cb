"""Tasks of which only one runs, or waits for its retry, at a time: ``@shared_task(one_at_a_time=True)``.

A run holds a lease in the project's database, and renews it while it takes. If its process is killed the lease runs out within
``LIFETIME`` seconds. Another run that begins meanwhile is skipped.
"""

import hashlib
import inspect
import threading
import time
import uuid
from datetime import timedelta
from typing import Any

import django.db
from celery.exceptions import Ignore, Reject
from celery.signals import task_postrun
from celery.states import RETRY
from celery.utils.log import get_logger
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now
from kombu.utils.json import dumps

from background.beat.lease import LIFETIME, RENEWAL, SCHEDULE
from background.beat.models import Lease

logger = get_logger(__name__)

SKIPPED = "SKIPPED"  # a state of our own, of a task that keeps its result
WAITS = "waits"  # the end of the holder's name between two attempts
LOOK = 0.5  # seconds between two looks of a run whose message came twice


class Hold:
    """One run's hold of a lease. The holder's name begins with the task's id."""

    def __init__(self, task: Any, args: Any, kwargs: Any) -> None:
        self.name = name_of(task, args, kwargs)
        self.task_id = task.request.id
        self.holder = f"{self.task_id}:{uuid.uuid4().hex[:8]}"
        self.is_over = threading.Event()
        self.renewer = threading.Thread(target=self.renew, name=self.name, daemon=True)

    def take(self) -> bool:
        """Take the lease if nobody holds it, or if it waits for this task's next attempt."""
        row = Lease.objects.filter(name=self.name)
        free = row.filter(Q(expires__lte=Now()) | Q(holder=f"{self.task_id}:{WAITS}"))
        expires = Now() + timedelta(seconds=LIFETIME)
        if free.update(holder=self.holder, since=Now(), ticked=Now(), expires=expires):
            return True
        new = Lease(name=self.name, holder=self.holder, since=Now(), ticked=Now(), expires=expires)
        Lease.objects.bulk_create([new], ignore_conflicts=True)
        return row.filter(holder=self.holder).exists()

    def keep(self) -> None:
        """Renew the lease from now on. In a caller's transaction, which only eager tasks run in, nobody else sees it."""
        if not connection.in_atomic_block:
            self.renewer.start()

    def renew(self) -> None:
        """Renew the lease until the run is over, in a thread of its own."""
        while not self.is_over.wait(RENEWAL):
            try:
                held = Lease.objects.filter(name=self.name, holder=self.holder)
                if not held.update(ticked=Now(), expires=Now() + timedelta(seconds=LIFETIME)):
                    logger.error("The run of %s has lost its lease, so another one may run beside it.", self.task_id)
                    break
            except django.db.Error as error:
                logger.warning("The lease of %s could not be renewed: %s", self.task_id, error)
                connection.close()
        connection.close()

    def release(self, wait: float | None = None) -> None:
        """Give the lease back. With ``wait``, keep it for the next attempt, which comes in so many seconds."""
        self.is_over.set()
        if self.renewer.ident:
            self.renewer.join()
        held = Lease.objects.filter(name=self.name, holder=self.holder)
        if wait is None:
            held.delete()
        else:
            held.update(holder=f"{self.task_id}:{WAITS}", expires=Now() + timedelta(seconds=wait + LIFETIME))


def name_of(task: Any, args: Any, kwargs: Any) -> str:
    """The name of the lease: that of the task, and of the arguments that ``one_at_a_time`` names."""
    chosen: Any = None
    if task.one_at_a_time is not True:
        bound = inspect.signature(task.run).bind(*args, **kwargs)
        bound.apply_defaults()
        chosen = [bound.arguments[name] for name in task.one_at_a_time]
    digest = hashlib.sha256(dumps([task.name, chosen]).encode()).hexdigest()[:32]
    return f"{task.name[:60]}:{digest}"


def begin(task: Any, args: Any, kwargs: Any) -> None:
    """Take the lease of a run that begins.

    Raises:
        Ignore: another run holds it. This one is skipped.
        Reject: this message came twice, and its first run still goes on. It goes back into the queue.
    """
    hold = Hold(task, args, kwargs)
    end = time.monotonic() + LIFETIME + LOOK
    while not hold.take():
        row = Lease.objects.filter(name=hold.name, expires__gt=Now()).first()
        if row and not row.holder.startswith(f"{hold.task_id}:"):
            skip(task, row)
        if row and time.monotonic() > end:
            raise Reject(f"{hold.task_id} still runs", requeue=True)
        if row:
            time.sleep(LOOK)
    vars(task.request)["hold"] = hold
    hold.keep()


def skip(task: Any, row: Lease) -> None:
    """End a run that may not run. The log says so, and the state of a task that keeps its result."""
    holder = row.holder.partition(":")[0]
    logger.info("Task %s[%s] is skipped: %s runs, since %s.", task.name, task.request.id, holder, row.since)
    given = task.request.ignore_result
    if not (task.ignore_result if given is None else given):
        task.update_state(state=SKIPPED, meta={"holder": holder})
    raise Ignore


@task_postrun.connect
def end(task: Any, state: str | None = None, retval: Any = None, **kwargs: Any) -> None:
    """Give the lease of a run back that has ended, or keep it for its next attempt."""
    hold = vars(task.request).pop("hold", None)
    if hold is None:
        return
    wait = None
    if state == RETRY:
        sent = getattr(retval, "when", None)
        wait = sent if isinstance(sent, int | float) else max(0.0, (sent - task.app.now()).total_seconds())
    try:
        hold.release(wait)
    except django.db.Error as error:
        logger.warning("The lease of %s could not be given back, and runs out by itself: %s", task.request.id, error)


def delete_left() -> int:
    """Delete the leases of runs that were killed and never ran again, a day after they ran out, and return how many."""
    left = Lease.objects.exclude(name=SCHEDULE).filter(expires__lt=Now() - timedelta(days=1))
    return left.delete()[0]
