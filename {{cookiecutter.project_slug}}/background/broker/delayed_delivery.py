"""What RabbitMQ needs to hold a task until its time.

On quorum queues, Celery hands a task with a countdown or an ETA to exchanges and queues that hold it in RabbitMQ. Celery
5.7.0 declares them when a worker starts. Before any worker has run, enqueueing such a task is an error
(``amqp.exceptions.NotFound``). If only the worker of its queue has never run, the task comes three minutes late.
Here the process that enqueues declares them too, before its first such task.

https://docs.celeryq.dev/en/stable/getting-started/backends-and-brokers/rabbitmq.html#native-delayed-delivery
"""

from typing import Any

from amqp.exceptions import AMQPError, ChannelError
from celery.utils.log import get_logger
from celery.utils.quorum_queues import detect_quorum_queues
from celery.worker.consumer import delayed_delivery
from kombu.exceptions import OperationalError
from kombu.transport import native_delayed_delivery as native

logger = get_logger(__name__)

# The brokers that have been prepared by this process.
prepared: set[str] = set()


def prepare(app: Any) -> None:
    """Declare what holds delayed tasks, and the queues to which they then go, once in this process.

    Raises:
        OperationalError: RabbitMQ is down or does not answer.
    """
    conf = app.conf
    url = conf.broker_write_url
    if url in prepared:
        return
    limits = dict.fromkeys(("read_timeout", "write_timeout"), conf.broker_connection_timeout)
    with app.connection_for_write(transport_options=limits) as connection:
        if detect_quorum_queues(app, connection.transport.driver_type)[0]:
            try:
                connection.ensure_connection(**conf.task_publish_retry_policy)
                declare(app, connection)
            except ChannelError as error:  # such as a user who may not declare anything
                logger.warning("What delayed tasks need could not be declared here. A worker can do it: %s", error)
            except (*connection.connection_errors, AMQPError) as error:
                raise OperationalError(str(error)) from error
    prepared.add(url)


class DelayedDelivery(delayed_delivery.DelayedDelivery):
    """Declares all this when a worker connects, by the node that answers: the nodes of a cluster share it.

    Celery 5.7 speaks to each node in the URL, and tries one that is down for nine seconds. Meanwhile the worker does nothing.
    """

    def start(self, c: Any) -> None:
        """Declare it. Without it a worker still does its work, and who enqueues a delayed task declares it too."""
        with c.app.connection_for_write() as connection:
            try:
                connection.ensure_connection(**c.app.conf.task_publish_retry_policy)
                declare(c.app, connection)
            except (
                OperationalError,
                ChannelError,
            ) as error:  # all nodes are away, or the user may not declare anything
                logger.warning("What delayed tasks need could not be declared: %s", error)


def declare(app: Any, connection: Any) -> None:
    native.declare_native_delayed_delivery_exchanges_and_queues(
        connection, app.conf.broker_native_delayed_delivery_queue_type
    )
    channel = connection.channel()
    for queue in app.amqp.queues.values():
        queue(channel).declare()
        native.bind_queue_to_native_delayed_delivery_exchange(connection, queue)
