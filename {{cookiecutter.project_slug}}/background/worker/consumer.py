"""The part of a worker that takes messages from the broker."""

from collections.abc import Callable
from typing import Any

from celery.utils.log import get_logger
from celery.worker import consumer, state
from kombu import Queue
from kombu.exceptions import OperationalError

from background.broker.connection import UNREADABLE
from background.probe.heartbeat import say_waiting
from background.worker.message import fault_of

logger = get_logger(__name__)

# What Celery's code raises if a message has another form than it expects.
MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)


def is_reserved(message: Any) -> bool:
    """Whether this worker already holds the message to run its task. It runs then, whatever comes after."""
    return any(request.message is message for request in list(state.requests.values()))


STEPS = {
    "celery.worker.consumer.delayed_delivery:DelayedDelivery": "background.broker.delayed_delivery:DelayedDelivery"
}


class Consumer(consumer.Consumer):
    """Celery's consumer. It sets messages aside that no one can run, and can be stopped while it waits for the broker."""

    class Blueprint(consumer.Consumer.Blueprint):
        """Celery's steps, some of them in the project's way."""

        default_steps = [STEPS.get(step, step) for step in consumer.Consumer.Blueprint.default_steps]

    def ensure_connected(self, connection: Any) -> Any:
        connection.on_wait = self.on_wait
        return super().ensure_connected(connection)

    def on_wait(self) -> None:
        """Do each second what the worker's timer does otherwise."""
        say_waiting()
        self.controller.soft_stop.look()

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """What is called with each message. It looks at the message first."""
        handle = super().create_task_handler(*args, **kwargs)

        def on_message(message: Any) -> None:
            if fault := fault_of(message):
                self.set_aside(message, fault)
                return
            try:
                handle(message)
            except MALFORMED as error:
                if message.acknowledged or is_reserved(message):
                    raise
                self.set_aside(message, repr(error))

        return on_message

    def set_aside(self, message: Any, fault: object) -> None:
        """Take a message that no one can run out of its queue."""
        if self.keep(message, fault):
            message.ack_log_error(logger, self.connection_errors)

    def keep(self, message: Any, fault: object) -> bool:
        """Move a message that no one can run to the queue ``unreadable``, where a person finds it.

        False if the broker does not take it. Then it stays with this worker, and comes back later.
        """
        fault = f"{fault}. Its headers: {message.headers!r}"
        if hasattr(message.channel, "set_aside"):
            return bool(message.channel.set_aside(message.delivery_tag, fault))
        try:
            self.send_unreadable(message)
        except OperationalError as error:
            logger.error("A message can't be run, and could not be set aside (%s): %s", error, fault)
            return False
        logger.error("A message can't be run, and is now in the queue %r of the broker: %s", UNREADABLE, fault)
        return True

    def send_unreadable(self, message: Any) -> None:
        """Send a copy of the message to the queue ``unreadable``.

        Raises:
            OperationalError: the broker is down.
        """
        queue = Queue(UNREADABLE, queue_arguments={"x-queue-type": "quorum"})
        with self.app.producer_or_acquire() as producer:
            producer.publish(
                message.body,
                routing_key=queue.name,
                declare=[queue],
                headers=message.headers,
                content_type=message.content_type,
                content_encoding=message.content_encoding,
                retry=True,
                retry_policy=self.app.conf.task_publish_retry_policy,
                confirm_timeout=self.app.conf.broker_connection_timeout,
                **{
                    name: message.properties[name]
                    for name in ("correlation_id", "reply_to")
                    if name in message.properties
                },
            )

    def on_unknown_message(self, body: Any, message: Any) -> None:
        self.set_aside(message, "it has no task")

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self.set_aside(message, repr(exc))

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        self.set_aside(message, repr(exc))

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Set the message aside, and record a failure for the caller that waits for the result, as Celery does."""
        if self.keep(message, f"no task {exc} is registered"):
            super().on_unknown_task(body, message, exc)
