"""Seed, don't overwrite: at beat's start the settings add to the schedule, and change nothing of it."""

from collections.abc import Mapping
from typing import Any

from celery.utils.log import get_logger

from background.schedule import drift, orphans, seed

logger = get_logger(__name__)


class Seed:
    """For django-celery-beat 2.9.0, whose ``DatabaseScheduler`` writes the settings over the database at each start.

    Both Celery's default entry and the settings' come to ``update_from_dict``.
    """

    app: Any

    def setup_schedule(self) -> None:
        """Seed, before the schedule is read for the first time, and say where database and settings differ.

        A database that is away is an error, and ends beat.
        """
        self.install_default_entries({})  # type: ignore[attr-defined]
        self.update_from_dict(self.app.conf.beat_schedule)
        for key, differences in drift(self.app).items():
            logger.warning("The entry %s drifts: %s.", key, "; ".join(map(str, differences)))
        if keys := orphans(self.app):
            logger.warning("These entries have gone from the settings, and go on running: %s.", ", ".join(keys))

    def update_from_dict(self, mapping: Mapping[str, Any]) -> None:
        """Write the entries that the database does not have; of a default one, what the settings say of it, if anything."""
        own = self.app.conf.beat_schedule
        seeded = seed(self.app, {key: own.get(key, entry) for key, entry in mapping.items()})
        for key, reasons in seeded.refused.items():
            logger.error("The entry %s is refused, and will not run: %s.", key, "; ".join(reasons))
