"""The class of every task of the project."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from celery.contrib.django.task import DjangoTask
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult, EagerResult
from celery.states import PROPAGATE_STATES, REVOKED, SUCCESS
from celery.utils.time import maybe_make_aware
from django.utils import timezone
from kombu.exceptions import OperationalError
from kombu.utils.uuid import uuid

from background.broker import delayed_delivery

# What a result backend in Redis raises if it can't store anything. A project with RabbitMQ does not install redis-py.
FULL: tuple[type[Exception], ...] = ()
with suppress(ImportError):
    from redis.exceptions import OutOfMemoryError

    FULL = (OutOfMemoryError,)


class BrokerUnavailableError(OperationalError):
    """A task could not be enqueued: the broker is down or full, or the result backend of a task that keeps its result."""


class Task(DjangoTask):
    """A task that never blocks its caller, and whose eager run is as close to a worker's as possible."""

    Request = "background.worker.attempt:Request"  # logs in the worker why a task runs again

    # Seconds before a retry that sets no delay, and before a task is tried again whose process was killed. With
    # Celery's default, 180, a person would wait for three minutes.
    default_retry_delay = 10

    @property
    def unavailable_errors(self) -> tuple[type[Exception], ...]:
        """What enqueueing the task, or storing or reading its state, raises while broker or result backend is down or full."""
        return (BrokerUnavailableError, *FULL, *getattr(self.backend, "connection_errors", ()))

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> AsyncResult:
        """Enqueue the task. ``delay`` and ``delay_on_commit`` come here too.

        Outside a worker, it fails within two seconds if the broker is down or unresponsive. The time limits are in
        config/settings/celery.py.

        Raises:
            BrokerUnavailableError: the task was not enqueued. If the broker did not respond, it may have been, so
                enqueueing it again can run it twice.
            celery.exceptions.QueueNotFound: its queue is not in ``task_queues``, so no worker would find it.
            kombu.exceptions.EncodeError: an argument is not JSON.
        """
        conf = self.app.conf
        if conf.task_always_eager:
            # An unknown queue is refused here too. Celery does not look at queues in eager mode.
            self.app.amqp.router.route({**self._get_exec_options(), **options}, self.name, args, kwargs)
            return super().apply_async(args, kwargs, **options)
        # RabbitMQ's confirmation has no time limit of its own.
        options.setdefault("confirm_timeout", conf.broker_connection_timeout)
        try:
            if options.get("countdown") or options.get("eta"):
                delayed_delivery.prepare(self.app)
            return super().apply_async(args, kwargs, **options)
        except (OperationalError, RuntimeError) as error:
            # Celery raises a RuntimeError of its own when the result backend is down.
            if isinstance(error, RuntimeError) and not isinstance(error.__cause__, self.unavailable_errors):
                raise
            reason = error.__cause__ or error
            raise BrokerUnavailableError(
                f"{self.name} was not enqueued. The broker is unreachable or full: {reason}"
            ) from error

    def apply(
        self,
        args: Any = None,
        kwargs: Any = None,
        *,
        task_id: str | None = None,
        throw: bool | None = None,
        **options: Any,
    ) -> EagerResult:
        """Run the task here and now, without the waits between its attempts.

        With ``task_eager_propagates`` Celery 5.7 lets each exception out of the tracer at once: the ``Retry`` of a
        first attempt reaches the caller instead of a second attempt, and a failure is raised before it is stored. Here
        the tracer finishes first. What the last attempt raised is raised afterwards (``celery/app/task.py``,
        ``apply``). As in a worker, a task that has expired is revoked and not run, and a result that is kept goes
        through JSON.

        Raises:
            Exception: what the last attempt raised, unless ``throw`` is false. ``None`` means the setting
                ``task_eager_propagates``.
        """
        task_id = task_id or uuid()
        keeps_result = not options.get("ignore_result", self.ignore_result)
        if self.is_expired(**options):
            if keeps_result:
                self.backend.mark_as_revoked(task_id, "expired", store_result=True)
            return EagerResult(task_id, TaskRevokedError("expired"), REVOKED, name=self.name)
        result = super().apply(args, kwargs, task_id=task_id, throw=False, **options)
        propagates = self.app.conf.task_eager_propagates if throw is None else throw
        if propagates and result.state in PROPAGATE_STATES:
            raise result.result
        if keeps_result and result.state == SUCCESS:
            result._result = self.backend.decode(self.backend.encode(result.result))
        return result

    def is_expired(
        self,
        expires: float | datetime | None = None,
        countdown: float | None = None,
        eta: datetime | None = None,
        **options: Any,
    ) -> bool:
        """Whether the task has expired when a worker takes it, at its ``eta`` or after ``countdown`` seconds.

        ``expires`` is in seconds from now, or a moment. A moment without a time zone is in the project's.
        """
        if expires is None:
            return False
        now = timezone.now()
        start = maybe_make_aware(eta, self.app.timezone) if eta else now + timedelta(seconds=countdown or 0)
        end = (
            maybe_make_aware(expires, self.app.timezone)
            if isinstance(expires, datetime)
            else now + timedelta(seconds=expires)
        )
        return bool(end <= start)

    def signature_from_request(self, request: Any = None, *args: Any, **options: Any) -> Any:
        """The signature of the next attempt. An eager one returns its failure to this attempt, which raises it."""
        signature = super().signature_from_request(request, *args, **options)
        if (request or self.request).is_eager:
            signature.set(throw=False)
        return signature
