"""The Celery app of the project. Each thing that it changes about Celery is one line.

``UPSTREAM.md`` beside this file says of each override which version it was read in, and when it can go. The settings
are in ``config/settings/celery.py``. The scheduler is one of them (``CELERY_BEAT_SCHEDULER``).
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import django
from celery import Celery
from celery.app.utils import Settings
from celery.canvas import _chord
from django.apps import apps
from kombu.utils.url import maybe_sanitize_url

from background import canvas
from background.probe.heartbeat import ConsumerReadiness, WorkerHeartbeat
from background.probe.queues import ServedQueues


class Conf(Settings):
    """Celery's settings, of which ``celery report`` and ``celery inspect conf`` show no password.

    Celery 5.7 hides that of ``broker_url``, and not that of Django's ``CELERY_BROKER_URL``.
    """

    def table(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        table = super().table(*args, **kwargs)
        return {name: without_password(value) for name, value in table.items()}


def without_password(value: Any) -> Any:
    """The value of a setting. In a URL, or in several separated by semicolons, stars stand for the password."""
    if isinstance(value, Mapping):
        return {name: without_password(part) for name, part in value.items()}
    if not isinstance(value, str) or "://" not in value:
        return value
    return ";".join(maybe_sanitize_url(url) for url in value.split(";"))


class App(Celery):
    """Celery as this project runs it."""

    # Enqueueing fails within two seconds if the broker is down, and eager mode is as close to a worker as possible.
    task_cls = "background.task:Task"

    # A lost connection is retried every two seconds, and Redis and Valkey have a transport of the project's own.
    amqp_cls = "background.broker.connection:AMQP"

    # A worker and beat log to the handlers of LOGGING.
    log_cls = "background.log:Logging"

    # Whether this process is a worker, or one of its pool's.
    is_worker = False

    @cached_property
    def Worker(self) -> Any:  # noqa: N802 - as Celery has it
        """A worker refuses to run without a broker, and is patient with a slow one."""
        return self.subclass_with_self("background.worker.process:Worker")

    @cached_property
    def Beat(self) -> Any:  # noqa: N802 - as Celery has it
        """A beat finishes its work when it is stopped, and reports at each tick that it is alive."""
        return self.subclass_with_self("background.beat.process:Beat")

    def _get_backend(self) -> Any:
        """The result backend. It may need Django's models, which of Celery's commands only a few load.

        Results in the database are stored over a connection that is looked after.
        """
        if not apps.loading:
            django.setup()
        if self.conf.result_backend == "django-db":
            self.backend_cls = "background.results:DatabaseBackend"
        return super()._get_backend()

    def send_task(self, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Send a task by its name, as ``celery call`` does. In eager mode it runs at once, as if it was enqueued.

        Raises:
            celery.exceptions.NotRegistered: the mode is eager, and no app of the project has the task.
        """
        if not self.conf.task_always_eager:
            return super().send_task(name, args, kwargs, **options)
        if name not in self.tasks:
            self.loader.import_default_modules()
        given = {option: value for option, value in options.items() if value is not None}
        return self.tasks[name].apply_async(args, kwargs, **given)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        object.__setattr__(self._conf, "__class__", Conf)  # Celery has no name for it. It is filled in place
        _chord.apply = canvas.apply  # projects import the class from Celery itself, so there is no other place
        # A worker reports that it is alive, and whether it is ready, in a file that a container's probe reads.
        self.steps["worker"].add(WorkerHeartbeat)
        self.steps["consumer"].add(ConsumerReadiness)
        # On Redis and Valkey it says which queues it serves, for /health/.
        self.steps["consumer"].add(ServedQueues)
        # It writes into the database what it does, for the admin.
        self.steps["worker"].add("background.overview.report:ReportStep")
        # A worker that is asked to stop does so from its loop, and as soon as its last task has ended.
        self.steps["worker"].add("background.worker.stop:SoftStopStep")
