"""The class of every task of the project."""

from typing import Any

from celery.contrib.django.task import DjangoTask
from celery.result import EagerResult
from celery.states import PROPAGATE_STATES


class Task(DjangoTask):
    """A task that in eager mode retries as it should, and whose failure is both stored and raised.

    With ``task_eager_propagates`` Celery 5.7 lets each exception out of the tracer as soon as it comes: the ``Retry`` of
    a first attempt reaches the caller instead of a second attempt, and a failure is raised before it is stored. Here
    the tracer ends its work, and what the last attempt raised is raised afterwards (``celery/app/task.py``, ``apply``).
    """

    def apply(self, args: Any = None, kwargs: Any = None, *, throw: bool | None = None, **options: Any) -> EagerResult:
        """Run the task here and now, with the waits between its attempts left out.

        Raises:
            Exception: what the last attempt raised, unless ``throw`` is false; ``None`` means the setting
                ``task_eager_propagates``.
        """
        result = super().apply(args, kwargs, throw=False, **options)
        propagates = self.app.conf.task_eager_propagates if throw is None else throw
        if propagates and result.state in PROPAGATE_STATES:
            raise result.result
        return result

    def signature_from_request(self, request: Any = None, *args: Any, **options: Any) -> Any:
        """The signature of the next attempt. An eager one hands its failure to the attempt before, which raises it."""
        signature = super().signature_from_request(request, *args, **options)
        if (request or self.request).is_eager:
            signature.set(throw=False)
        return signature
