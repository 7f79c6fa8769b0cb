"""What makes the settings win over the database, when a person asks for it."""

from collections.abc import Collection, Mapping
from typing import Any

from celery import Celery
from django.db import transaction
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import ModelEntry

from background.registry import entries_in_code
from background.schedule.drift import drift
from background.schedule.faults import faults
from background.schedule.kinds import FIELDS
from background.schedule.models import SeededEntry
from background.schedule.rows import RefusedEntryError, UnknownEntryError, rows_of
from background.schedule.seed import orphans, seed


def apply(app: Celery, keys: Collection[str]) -> list[str]:
    """Overwrite the rows of these keys with the settings, all or none, and return the keys that were written.

    A key that is not in the database is seeded. The last run and the count of runs stay. An entry that beat itself has
    ended stays off. beat notices the change.

    Raises:
        UnknownEntryError: a key is not in the settings.
        RefusedEntryError: the database can't hold an entry as it is written.
    """
    entries = entries_of(app, keys)
    with transaction.atomic():
        rows = rows_of(entries)
        differing = drift(app, rows)
        for row in rows:
            if row.name in differing:
                overwrite(row, entries[row.name], [difference.field for difference in differing[row.name]])
        seeded = seed(app, entries)
        for key, reasons in seeded.refused.items():
            raise RefusedEntryError(key, reasons)
    return sorted([*differing, *seeded.written])


def entries_of(app: Celery, keys: Collection[str]) -> dict[str, Any]:
    """The settings' entries of these keys, each of which the database can hold. It raises the same as ``apply``."""
    entries = entries_in_code(app)
    for key in keys:
        if key not in entries:
            raise UnknownEntryError(f"{key} is not in CELERY_BEAT_SCHEDULE.", key, entries)
        if reasons := faults(key, entries[key]):
            raise RefusedEntryError(key, reasons)
    return {key: entries[key] for key in keys}


def overwrite(row: PeriodicTask, entry: Mapping[str, Any], names: Collection[str]) -> None:
    """Save only these fields of the row, with the entry's values. beat may be counting a run at this moment."""
    fields = ModelEntry._unpack_fields(**entry)
    changed = [*(name for name in names if name != "schedule"), *(FIELDS if "schedule" in names else ())]
    for name in changed:
        setattr(row, name, fields[name] if name in fields else PeriodicTask._meta.get_field(name).get_default())
    # A row that is switched off forgets its last run: PeriodicTask.save.
    row.save(update_fields=[*changed, "date_changed", *([] if row.enabled else ["last_run_at"])])


def prune(app: Celery) -> list[str]:
    """Delete the orphans, and return their keys. beat notices the change."""
    with transaction.atomic():
        keys = orphans(app)
        PeriodicTask.objects.filter(name__in=keys).delete()
        SeededEntry.objects.filter(key__in=keys).delete()
    return keys
