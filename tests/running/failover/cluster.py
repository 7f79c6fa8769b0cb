"""Three nodes of RabbitMQ in one cluster."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.servers import Process, free_port, port_mapper, rabbitmq_node, rabbitmq_queues, wait_until

NODES = 3


class Cluster:
    """A broker for a ``Team``. The node that leads a queue can be killed, and comes back."""

    kind = "rabbitmq"
    result_backend = ""  # the database

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = [free_port() for _ in range(NODES)]
        self.stack = ExitStack()
        self.stacks: dict[int, ExitStack] = {}
        self.nodes: dict[int, Process] = {}

    @property
    def url(self) -> str:
        return ";".join(f"amqp://faults:secret@127.0.0.1:{port}/faults" for port in self.ports)

    def start(self) -> None:
        self.mapper = self.stack.enter_context(port_mapper(self.folder))
        for port in self.ports:
            (self.folder / str(port)).mkdir()
            self.start_node(port)

    def start_node(self, port: int) -> None:
        self.stacks[port] = ExitStack()
        node = rabbitmq_node(self.folder / str(port), port, "faults", "secret", mapper=self.mapper, cluster=self.ports)
        self.nodes[port] = self.stacks[port].enter_context(node)

    def stop(self) -> None:
        for stack in self.stacks.values():
            stack.close()
        self.stack.close()

    def rows(self, port: int, *columns: str) -> dict[str, list[str]]:
        """Columns of each queue, as this node says."""
        rows = [row.split("\t") for row in rabbitmq_queues(self.folder / str(port), "faults", "name", *columns)]
        return {name: values for name, *values in rows}

    def leader(self) -> int:
        """The port of the node that leads the queue, as a node says that runs."""
        ((leader,),) = (self.rows(self.living(), "leader")["default"],)
        return next((port for port in self.ports if leader == f"test{port}@localhost"), 0)

    def living(self) -> int:
        return next(port for port in self.ports if self.nodes[port].popen.poll() is None)

    def is_whole(self) -> bool:
        """Whether all nodes have the queue."""
        return len(self.rows(self.living(), "online")["default"][0].split(",")) == NODES

    @contextmanager
    def fault(self, kind: str) -> Iterator[float]:
        """Kill the node that leads, and yield the moment once another one does. It is started again at the end."""
        assert kind == "killed"
        wait_until(self.is_whole, "all nodes", 90)
        port, begin = self.leader(), time.time()
        os.killpg(self.nodes[port].popen.pid, signal.SIGKILL)
        self.nodes[port].popen.wait()
        self.stacks[port].close()
        wait_until(lambda: self.leader() not in (0, port), "another leader", 60)
        yield begin
        self.start_node(port)
        wait_until(self.is_whole, "all nodes again", 90)
