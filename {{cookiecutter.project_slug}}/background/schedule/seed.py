"""Seeding: what the settings add to the schedule once."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import django.db
from celery import Celery
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import ModelEntry

from background.registry import entries_in_code
from background.schedule.faults import faults
from background.schedule.models import SeededEntry
from background.schedule.rows import DEFAULTS, present_of


class Seeded(NamedTuple):
    """What seeding did: the keys that it wrote, and those that it refused with their reasons."""

    written: list[str]
    refused: dict[str, list[str]]


def seed(app: Celery, entries: Mapping[str, Any] | None = None) -> Seeded:
    """Write each entry whose key is not in the database. One that is there stays as it is.

    ``entries`` are those of ``CELERY_BEAT_SCHEDULE`` unless given. An entry that the database can't hold as it is written
    is refused. The others are written. Several processes can seed at the same moment.
    """
    entries = entries_in_code(app) if entries is None else entries
    present = present_of(entries)
    seeded = Seeded([], {})
    for key, entry in entries.items():
        if key in present:
            continue
        if reasons := faults(key, entry):
            seeded.refused[key] = reasons
            continue
        try:
            if insert(key, entry):
                seeded.written.append(key)
            present.add(key)
        except django.db.Error:
            raise
        except Exception as error:  # a fault that background/schedule/faults.py does not know
            seeded.refused[key] = [repr(error)]
    SeededEntry.objects.bulk_create([SeededEntry(key=key) for key in present], ignore_conflicts=True)
    SeededEntry.objects.filter(~Exists(PeriodicTask.objects.filter(name=OuterRef("key")))).delete()
    return seeded


def insert(key: str, entry: Mapping[str, Any]) -> bool:
    """Write an entry. False if another process was quicker.

    The other process may instead have written the same solar event, of which the database takes only one. Then the
    second attempt finds it.
    """
    for attempt in (1, 2):
        try:
            with transaction.atomic():
                PeriodicTask.objects.create(name=key, **ModelEntry._unpack_fields(**entry))
            return True
        except (IntegrityError, ValidationError):
            if PeriodicTask.objects.filter(name=key).exists():
                return False
            if attempt == 2:
                raise
    return False


def missing(app: Celery) -> list[str]:
    """The keys of the settings that are not in the database."""
    entries = entries_in_code(app)
    return sorted(set(entries) - present_of(entries))


def refused(app: Celery) -> dict[str, list[str]]:
    """The entries of the settings that the database can't hold as they are written, each with the reasons."""
    found = {key: faults(key, entry) for key, entry in entries_in_code(app).items()}
    return {key: reasons for key, reasons in found.items() if reasons}


def orphans(app: Celery) -> list[str]:
    """The keys that were seeded, are in the database, and are no longer in the settings."""
    seeded = SeededEntry.objects.filter(Exists(PeriodicTask.objects.filter(name=OuterRef("key"))))
    gone = set(seeded.values_list("key", flat=True)) - set(entries_in_code(app)) - DEFAULTS
    return sorted(gone)


def origin(key: str, entries: Collection[str], seeded: Collection[str]) -> str:
    """Where an entry of the database comes from, given the keys of ``entries_in_code`` and those that were seeded.

    ``settings``; ``orphaned``, if the settings no longer have it; ``celery``, if Celery itself adds it; or
    ``database``, if a person made it there.
    """
    if key in entries:
        return "settings"
    if key in DEFAULTS:
        return "celery"
    return "orphaned" if key in seeded else "database"
