"""The class of every task of the project."""

import time
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from celery.contrib.django.task import DjangoTask
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult, EagerResult, allow_join_result
from celery.states import PROPAGATE_STATES, REVOKED, SUCCESS
from celery.utils.time import maybe_iso8601, maybe_make_aware
from django.utils import timezone
from kombu.exceptions import OperationalError
from kombu.utils.uuid import uuid

from background.broker import delayed_delivery

# What a result backend in Redis raises if it can't store anything. A project with RabbitMQ does not install redis-py.
FULL: tuple[type[Exception], ...] = ()
with suppress(ImportError):
    from redis.exceptions import OutOfMemoryError

    FULL = (OutOfMemoryError,)


# Celery's own tasks that give back what others return.
MAPS = ("celery.map", "celery.starmap")  # ``chunks`` is a group of the second
ENQUEUED_AT = "enqueued_at"  # the header of each message: seconds since the epoch
ACCUMULATE = "celery.accumulate"  # what ``self.replace`` puts behind a group


class BrokerUnavailableError(OperationalError):
    """A task could not be enqueued: the broker is down or full, or the result backend of a task that keeps its result."""


class Task(DjangoTask):
    """A task that never blocks its caller, and whose eager run is as close to a worker's as possible."""

    Request = "background.worker.attempt:Request"  # logs in the worker why a task runs again

    # Seconds before a retry that sets no delay, and before a task is tried again whose process was killed. With
    # Celery's default, 180, a person would wait for three minutes.
    default_retry_delay = 10

    # True: only one run of the task at a time. Names of its arguments: only one for each of their values.
    one_at_a_time: bool | tuple[str, ...] = False

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Skip a run that may not run beside another. A task of your own that overrides this calls it."""
        if self.one_at_a_time:
            from background.one_at_a_time import begin  # here, because it needs models

            begin(self, args, kwargs)

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
            ValueError: the time limits contradict each other.
        """
        conf = self.app.conf
        if options.get("time_limit") or options.get("soft_time_limit"):
            options["time_limit"], options["soft_time_limit"] = self.time_limits(**options)
        if conf.task_always_eager:
            # An unknown queue is refused here too. Celery does not look at queues in eager mode.
            self.app.amqp.router.route({**self._get_exec_options(), **options}, self.name, args, kwargs)
            return super().apply_async(args, kwargs, **options)
        if self.is_read_by_others(kwargs, options):
            options["ignore_result"] = False
        options["headers"] = {**(options.get("headers") or {}), ENQUEUED_AT: time.time()}
        if self.is_far(**options):
            options["producer"] = self.writer(options)
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

    def delay_in_transaction(self, *args: Any, **kwargs: Any) -> AsyncResult:
        """Enqueue the task with the caller's transaction, as ``apply_async_in_transaction`` does."""
        return self.apply_async_in_transaction(args, kwargs)

    def apply_async_in_transaction(self, args: Any = None, kwargs: Any = None, **options: Any) -> AsyncResult:
        """Write the task's message into the outbox. It takes the options of ``apply_async``.

        If the caller's transaction is committed the task runs, even if this process dies at that moment or the broker is
        down. If it is rolled back, the task does not run. The beat that leads sends the message within a second, or when
        its ``countdown`` or ``eta`` is over. In eager mode the task runs after the commit.

        Raises:
            django.db.Error: the database is down.
            celery.exceptions.QueueNotFound: its queue is not in ``task_queues``, so no worker would find it.
            kombu.exceptions.EncodeError: an argument is not JSON.
            ValueError: the time limits contradict each other.
        """
        options["task_id"] = options.get("task_id") or uuid()
        if self.app.conf.task_always_eager:
            self.apply_async_on_commit(args, kwargs, **options)
            return self.AsyncResult(options["task_id"])
        return self.apply_async(args, kwargs, producer=self.writer(options), **options)

    def writer(self, options: dict[str, Any]) -> Any:
        """What writes a message into the outbox in the place of kombu's producer. Takes its moment out of the options."""
        from background.outbox.message import Writer, due_of  # here, because they need models

        return Writer(due_of(self.app, options.pop("countdown", None), options.pop("eta", None)))

    def is_far(
        self,
        producer: Any = None,
        countdown: float | None = None,
        eta: datetime | str | None = None,
        **options: Any,
    ) -> bool:
        """Whether a task is to run so late that Redis would hand its message out again meanwhile.

        A worker takes a message at once, and keeps it until its moment. Half of the visibility timeout leaves time for a
        worker that is slow to take it.
        """
        visibility = self.app.conf.broker_transport_options.get("visibility_timeout")
        if not visibility or not (countdown or eta) or hasattr(producer, "due"):  # a group brings a producer along
            return False
        if eta:
            eta = maybe_make_aware(maybe_iso8601(eta), self.app.timezone)
            countdown = (eta - timezone.now()).total_seconds()  # type: ignore[operator]
        return bool(countdown and countdown > visibility / 2)

    def time_limits(
        self, time_limit: float | None = None, soft_time_limit: float | None = None, **options: Any
    ) -> tuple[float | None, float | None]:
        """The hard and the soft limit of one call, in seconds. What it does not name is the task's own.

        A worker waits for the soft limit first. So a hard limit below the task's soft one would do nothing. Then the
        soft limit becomes as much shorter as the hard one is.

        Raises:
            ValueError: the soft limit is not below the hard one, or a broker would hand the task out again before its
                hard limit.
        """
        hard, soft = time_limit or self.time_limit, soft_time_limit or self.soft_time_limit
        if hard and soft and soft >= hard and not soft_time_limit:
            soft = soft * hard / self.time_limit if self.time_limit and soft < self.time_limit else 0.9 * hard
        if hard and soft and soft >= hard:
            raise ValueError(f"{self.name}: soft_time_limit ({soft} s) must be shorter than time_limit ({hard} s).")
        visibility = self.app.conf.broker_transport_options.get("visibility_timeout")
        if self.acks_late and hard and visibility and hard >= visibility:
            raise ValueError(
                f"{self.name}: time_limit ({hard} s) must be shorter than the visibility timeout ({visibility} s), after"
                " which the broker hands the task out again."
            )
        return hard, soft

    def is_read_by_others(self, kwargs: Any, options: dict[str, Any]) -> bool:
        """Whether the result is needed though the task ignores it.

        The body of a chord gets the results of its members. Redis hands them over in another way, but from a database
        they are read, and a member without one would keep the body from running, without a word. Celery's own tasks
        that gather what other tasks return are as the project's default, and so would ignore it.
        """
        if options.get("chord"):
            return bool(not self.backend.supports_native_join)
        if self.name in MAPS and kwargs:
            mapped = self.app.tasks.get(kwargs["task"]["task"])  # None if only the worker has it
            return bool(mapped and not mapped.ignore_result)
        return bool(self.name == ACCUMULATE)

    def on_replace(self, sig: Any) -> Any:
        """Go on with another task, as ``replace`` says. In eager mode that one is run here, within this one."""
        with allow_join_result():
            return super().on_replace(sig)

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
        expires: float | datetime | str | None = None,
        countdown: float | None = None,
        eta: datetime | str | None = None,
        **options: Any,
    ) -> bool:
        """Whether the task has expired when a worker takes it, at its ``eta`` or after ``countdown`` seconds.

        ``expires`` is in seconds from now, or a moment, which may be a text in ISO 8601. A moment without a time zone is in
        the project's.
        """
        if expires is None:
            return False
        now = timezone.now()
        start = (
            maybe_make_aware(maybe_iso8601(eta), self.app.timezone) if eta else now + timedelta(seconds=countdown or 0)
        )
        if isinstance(expires, str | datetime):
            return bool(maybe_make_aware(maybe_iso8601(expires), self.app.timezone) <= start)
        return bool(now + timedelta(seconds=expires) <= start)

    def signature_from_request(self, request: Any = None, *args: Any, **options: Any) -> Any:
        """The signature of the next attempt. An eager one returns its failure to this attempt, which raises it."""
        signature = super().signature_from_request(request, *args, **options)
        if (request or self.request).is_eager:
            signature.set(throw=False)
        return signature
