"""The rows of the schedule, and the errors about them."""

from collections.abc import Iterable
from difflib import get_close_matches

from django_celery_beat.models import PeriodicTask

from background.schedule.kinds import FIELDS

DEFAULTS = {"celery.backend_cleanup"}  # what Celery itself adds to the schedule


class UnknownEntryError(LookupError):
    """The entry, or its task, does not exist. The message suggests a similar key."""

    def __init__(self, sentence: str, key: str = "", names: Iterable[str] = ()) -> None:
        close = get_close_matches(key, list(names), n=1)
        super().__init__(f"{sentence} Did you mean {close[0]}?" if close else sentence)


class RefusedEntryError(ValueError):
    """The database can't hold an entry of the settings, or its row can't be sent. The message gives the reasons."""

    def __init__(self, key: str, reasons: Iterable[str]) -> None:
        super().__init__(f"{key} is refused: {'; '.join(reasons)}.")


def rows_of(keys: Iterable[str] | None = None) -> list[PeriodicTask]:
    """The rows of these keys, or all rows without keys. They are sorted by name, with their schedules, in one query."""
    rows = PeriodicTask.objects.select_related(*FIELDS).order_by("name")
    return list(rows if keys is None else rows.filter(name__in=list(keys)))


def present_of(keys: Iterable[str]) -> set[str]:
    """The keys that are in the database."""
    return set(PeriodicTask.objects.filter(name__in=list(keys)).values_list("name", flat=True))
