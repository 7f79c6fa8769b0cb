"""Separate queues and results for a test run, on a broker that others use too."""

from celery import current_app
from kombu.entity import Exchange, Queue

from background.probe.queues import key


def keep_apart(run: str) -> None:
    """Give this process the queues and results of a test run, which no other worker reads.

    Tasks, routes and settings still use the old names of the queues. These are now aliases.
    """
    conf = current_app.conf
    conf.task_queues = [
        Queue(
            f"{run}-{queue.name}",
            Exchange(f"{run}-{queue.exchange.name}", queue.exchange.type),
            f"{run}-{queue.routing_key}",
            alias=queue.name,
            queue_arguments=queue.queue_arguments,
        )
        for queue in conf.task_queues
    ]
    conf.result_backend_transport_options = {**conf.result_backend_transport_options, "global_keyprefix": f"{run}_"}


def remove_own(run: str) -> None:
    """Delete the queues and the results that ``keep_apart`` has named."""
    with current_app.connection_for_write() as connection:
        for queue in current_app.amqp.queues.values():
            own = queue(connection.default_channel)
            own.declare()  # Redis forgets only the queue that this connection knows
            own.delete()
            own.exchange.delete()
            if connection.transport.driver_type == "redis":
                with connection.default_channel.conn_or_acquire() as client:
                    client.delete(key(own.name))
    if current_app.conf.result_backend.startswith("redis"):
        client = current_app.backend.client
        for name in client.scan_iter(f"{run}*"):
            client.delete(name)
