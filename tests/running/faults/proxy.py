"""A proxy that stands between a worker and Redis, and ends the worker between two commands."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Proxy:
    """Passes on what it gets, and counts the requests from one that is looked for.

    At a certain one it calls ``kill``: instead of passing it on, or when Redis has executed it and the worker does not know.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.lock = threading.Lock()
        self.disarm()

    def disarm(self) -> None:
        self.pattern: bytes | None = None
        self.left, self.executes = 0, False
        self.kill: Callable[[], object] = bool
        self.killed = threading.Event()

    def arm(self, pattern: bytes, number: int, executes: bool, kill: Callable[[], object]) -> None:
        """Kill at the request with this number, counted from the first one in which the pattern is found."""
        with self.lock:
            self.disarm()
            self.pattern, self.left, self.executes, self.kill = pattern, number, executes, kill

    def is_last(self, request: bytes) -> bool:
        """Whether this is the request at which to kill."""
        with self.lock:
            if self.pattern is None or not self.left:
                return False
            if self.pattern and self.pattern not in request:
                return False
            self.pattern = b""
            self.left -= 1
            return not self.left

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                for pump in (self.to_server, self.to_client):
                    threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def to_server(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), client, server:
            while request := client.recv(1 << 20):
                if not self.is_last(request):
                    server.sendall(request)
                    continue
                self.killed.set()  # from now on no answer is passed on
                if self.executes:
                    server.sendall(request)
                    time.sleep(0.1)
                self.kill()
                return

    def to_client(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), client, server:
            while answer := server.recv(1 << 20):
                if not self.killed.is_set():  # a worker that waits does not end before it is killed
                    client.sendall(answer)


@contextmanager
def proxy(target: int) -> Iterator[Proxy]:
    """A proxy for a server on loopback."""
    between = Proxy(target)
    threading.Thread(target=between.serve, daemon=True).start()
    try:
        yield between
    finally:
        between.listening.shutdown(socket.SHUT_RDWR)
        between.listening.close()
