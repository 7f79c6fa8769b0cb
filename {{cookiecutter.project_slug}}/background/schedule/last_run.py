"""An edit does not make an entry run that is not due.

An entry is due if its schedule has come round since its last run. That is wrong after an edit: a daily 17:00 that was off for
a week, or was a daily 9:00 until now, would run at once. So an entry that is switched on, or whose schedule changes,
forgets its last run, and counts from the edit (``ModelEntry`` reads ``date_changed`` then). An edit of anything else, such as
the description, changes nothing about when it runs.

Signals see what the admin, a form, ``save`` and ``loaddata`` do. A ``QuerySet.update`` sends none: beat itself notices when it
switches an entry on (``background/beat/entry.py``).
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model, QuerySet
from django.utils import timezone
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from background.schedule.kinds import FIELDS

WHEN = ("start_time", *(f"{kind}_id" for kind in FIELDS))  # what decides when an entry runs


LONG_AGO = timedelta(days=365 * 30)  # so that a start that is still to come is a run of an interval
JUST_NOW = timedelta(minutes=1)  # a person who chose "now" as the start has saved the form by then


def counted_from(row: PeriodicTask) -> datetime:
    """The moment from which beat counts to the next run: the last run or, if there is none, the last edit.

    An interval with a ``start_time`` begins with a run at that moment. Any other kind begins with its first moment after it.
    ``ModelEntry`` of django-celery-beat 2.9 begins each kind at that moment, or at once if it is over.
    """
    last: datetime | None = row.last_run_at
    if last:
        return last
    edited: datetime = row.date_changed or timezone.now()
    if not row.start_time:
        return edited
    if (row.interval_id or row.interval) and row.start_time > edited - JUST_NOW:
        return edited - LONG_AGO
    start: datetime = row.start_time
    return max(start, edited)


def count_from_now(rows: QuerySet[PeriodicTask], **changes: Any) -> int:
    """Let these entries run at their next moment after now, and write ``changes`` too. Returns how many there are."""
    number = rows.update(last_run_at=None, date_changed=timezone.now(), **changes)
    PeriodicTasks.update_changed()
    return number


def before_entry_is_saved(
    instance: PeriodicTask, raw: bool, update_fields: frozenset[str] | None = None, **kwargs: Any
) -> None:
    """Forget the last run if the entry was switched on, or its schedule has changed, or it comes from a fixture."""
    if raw:
        instance.last_run_at, instance.date_changed = None, timezone.now()
        return
    old = PeriodicTask.objects.filter(pk=instance.pk).values("enabled", *WHEN).first() if instance.pk else None
    if old is None:
        return
    is_on_again = instance.enabled and not old["enabled"]
    if not is_on_again and all(getattr(instance, name) == old[name] for name in WHEN):
        return
    if update_fields is None:
        instance.last_run_at = None
    elif not update_fields.isdisjoint({"enabled", *WHEN, *FIELDS}):
        PeriodicTask.objects.filter(pk=instance.pk).update(last_run_at=None, date_changed=timezone.now())


def before_schedule_is_saved(sender: type[Model], instance: Any, **kwargs: Any) -> None:
    """Let the entries of an interval, crontab, solar event or clocked moment count from now if that has changed."""
    old: Any = sender._default_manager.filter(pk=instance.pk).first() if instance.pk else None
    names = [field.attname for field in sender._meta.concrete_fields]
    if old is not None and any(getattr(old, name) != getattr(instance, name) for name in names):
        count_from_now(instance.periodictask_set.all())
