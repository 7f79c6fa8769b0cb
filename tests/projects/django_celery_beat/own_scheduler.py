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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._heap = self.timeline  # by this name the tests look at it


schedulers.DatabaseScheduler = OwnScheduler
schedulers.ModelEntry = OwnScheduler.Entry
