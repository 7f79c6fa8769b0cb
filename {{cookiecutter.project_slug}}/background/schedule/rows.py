"""The rows of the schedule, and the errors that speak of them."""

from collections.abc import Iterable
from difflib import get_close_matches

from django_celery_beat.models import PeriodicTask

from background.schedule.kinds import FIELDS

DEFAULTS = {"celery.backend_cleanup"}  # what Celery adds to the schedule of its own accord


class UnknownEntryError(LookupError):
    """There is no such entry, or no such task. The message suggests a key that is close."""

    def __init__(self, sentence: str, key: str = "", names: Iterable[str] = ()) -> None:
        close = get_close_matches(key, list(names), n=1)
        super().__init__(f"{sentence} Did you mean {close[0]}?" if close else sentence)


class RefusedEntryError(ValueError):
    """The database can't hold an entry as the settings have it, or its row can't be sent. The message has the reasons."""

    def __init__(self, key: str, reasons: Iterable[str]) -> None:
        super().__init__(f"{key} is refused: {'; '.join(reasons)}.")


def rows_of(keys: Iterable[str] | None = None) -> list[PeriodicTask]:
    """The rows of these keys or, without keys, all rows: by name and with their schedules, in one query."""
    rows = PeriodicTask.objects.select_related(*FIELDS).order_by("name")
    return list(rows if keys is None else rows.filter(name__in=list(keys)))


def present_of(keys: Iterable[str]) -> set[str]:
    """Those of the keys that are in the database."""
    return set(PeriodicTask.objects.filter(name__in=list(keys)).values_list("name", flat=True))
