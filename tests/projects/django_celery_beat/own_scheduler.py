"""A plugin of pytest that puts the project's scheduler in the place of django-celery-beat's, for the tests of that one."""

from typing import Any

import django

django.setup()

from background.beat.scheduler import Scheduler  # noqa: E402
from django_celery_beat import schedulers  # noqa: E402


class OwnScheduler(Scheduler):
    """The project's own, for tests that expect an edit to be seen at once, and that start two and let each of them send."""

    look_every = 0

    @property
    def lease(self) -> str:
        return str(id(self))

    @property
    def _heap(self) -> list[Any]:
        return self.timeline


schedulers.DatabaseScheduler = OwnScheduler
schedulers.ModelEntry = OwnScheduler.Entry
