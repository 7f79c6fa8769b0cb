"""The class of every task of the project."""

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


class BrokerUnavailableError(OperationalError):
    """A task could not be enqueued: the broker, or the result backend of a task that keeps its result, is away."""


class Task(DjangoTask):
    """A task that never hangs whoever enqueues it, and whose eager run is as close to a worker's as it can be."""

    Request = "background.worker.attempt:Request"  # says in the worker's log why a task runs again

    # Seconds before a retry that names no wait, and before a task whose process was killed is tried again. Celery's own
    # 180 would make a person wait for three minutes.
    default_retry_delay = 10

    @property
    def unavailable_errors(self) -> tuple[type[Exception], ...]:
        """What is raised when the task is enqueued, or its state is read, while the broker or the result backend is away."""
        return (BrokerUnavailableError, *getattr(self.backend, "connection_errors", ()))

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> AsyncResult:
        """Enqueue the task. ``delay`` and ``delay_on_commit`` come here too.

        A broker that refuses or is silent is given up within two seconds in a process that is no worker: the time limits
        are in config/settings/celery.py.

        Raises:
            BrokerUnavailableError: the task was not enqueued; on a broker that was silent it may have been, so enqueueing it
                again can run it twice.
            celery.exceptions.QueueNotFound: its queue is not in ``task_queues``, where no worker would find it.
            kombu.exceptions.EncodeError: an argument is not JSON.
        """
        conf = self.app.conf
        if conf.task_always_eager:
            # What a broker would refuse is refused here too: Celery asks for no queue in eager mode.
            self.app.amqp.router.route({**self._get_exec_options(), **options}, self.name, args, kwargs)
            return super().apply_async(args, kwargs, **options)
        # RabbitMQ's confirmation has no time limit of its own.
        options.setdefault("confirm_timeout", conf.broker_connection_timeout)
        try:
            return super().apply_async(args, kwargs, **options)
        except (OperationalError, RuntimeError) as error:
            # Celery raises a RuntimeError of its own when the result backend is away.
            if isinstance(error, RuntimeError) and not isinstance(error.__cause__, self.unavailable_errors):
                raise
            reason = error.__cause__ or error
            raise BrokerUnavailableError(
                f"{self.name} was not enqueued. The broker is unreachable: {reason}"
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
        """Run the task here and now, with the waits between its attempts left out.

        With ``task_eager_propagates`` Celery 5.7 lets each exception out of the tracer as soon as it comes: the ``Retry``
        of a first attempt reaches the caller instead of a second attempt, and a failure is raised before it is stored.
        Here the tracer ends its work, and what the last attempt raised is raised afterwards (``celery/app/task.py``,
        ``apply``). A task that has expired is not run but revoked, as a worker would do, and a result that is kept is
        handed back as JSON gives it back.

        Raises:
            Exception: what the last attempt raised, unless ``throw`` is false; ``None`` means the setting
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
        """Whether a worker, taking the task at its ``eta`` or after ``countdown`` seconds, would find it expired.

        ``expires`` is in seconds from now, or a moment; one without a time zone is in the project's.
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
        """The signature of the next attempt. An eager one hands its failure to the attempt before, which raises it."""
        signature = super().signature_from_request(request, *args, **options)
        if (request or self.request).is_eager:
            signature.set(throw=False)
        return signature
