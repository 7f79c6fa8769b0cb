"""Three servers of Redis, of which one is the primary, and three sentinels that replace it."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.servers import Process, free_port, program, running, wait_until

SERVERS = 3
PASSWORD = "a@b:c/d#e%f?g"
ENCODED = "a%40b%3Ac%2Fd%23e%25f%3Fg"
SENTINEL_PASSWORD = "of-the-sentinels"
DOWN_AFTER = 3  # seconds of silence, after which a sentinel thinks that a server is down
# What docs/failover.md advises.
SERVER = f"""
requirepass "{PASSWORD}"
masterauth "{PASSWORD}"
appendonly yes
save ""
repl-diskless-sync yes
repl-diskless-sync-delay 0
min-replicas-to-write 1
min-replicas-max-lag 3
maxmemory-policy noeviction
user watcher on >{PASSWORD} allchannels +@all ~*
user follower on >{PASSWORD} +psync +replconf +ping
masteruser follower
"""
SENTINEL = f"""
requirepass {SENTINEL_PASSWORD}
sentinel sentinel-pass {SENTINEL_PASSWORD}
sentinel monitor mymaster 127.0.0.1 PRIMARY 2
sentinel auth-user mymaster watcher
sentinel auth-pass mymaster "{PASSWORD}"
sentinel down-after-milliseconds mymaster {DOWN_AFTER * 1000}
sentinel failover-timeout mymaster 10000
"""


class Sentinels:
    """A broker for a ``Team``. Its primary can be killed, frozen, and cut off from the others while clients still reach it."""

    kind = "redis"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = [free_port() for _ in range(SERVERS)]
        self.sentinels = [free_port() for _ in range(SERVERS)]
        self.stacks = {port: ExitStack() for port in (*self.ports, *self.sentinels)}
        self.processes: dict[int, Process] = {}

    def url_of(self, database: int) -> str:
        return ";".join(f"sentinel://:{ENCODED}@127.0.0.1:{port}/{database}" for port in self.sentinels)

    @property
    def url(self) -> str:
        return self.url_of(1)

    @property
    def result_backend(self) -> str:
        return self.url_of(2)

    def start(self) -> None:
        for port in self.ports:
            self.start_server(port)
        for port in self.sentinels:
            config = SENTINEL.replace("PRIMARY", str(self.ports[0]))
            self.run(port, f"{config}\nport {port}", "--sentinel")
        wait_until(lambda: self.is_whole(), "two replicas", 60)

    def start_server(self, port: int) -> None:
        """Start a server, also one that was killed: its file says by then whose replica it is."""
        file = self.folder / f"{port}/redis.conf"
        replica = "" if port == self.ports[0] else f"replicaof 127.0.0.1 {self.ports[0]}"
        self.run(port, "" if file.exists() else f"{SERVER}\nport {port}\n{replica}")

    def run(self, port: int, config: str, *arguments: str) -> None:
        folder = self.folder / str(port)
        folder.mkdir(exist_ok=True)
        file = folder / "redis.conf"
        if config:
            file.write_text(f"{config}\nbind 127.0.0.1\ndir {folder}\n")
        self.stacks[port] = ExitStack()
        command = [program("redis-server"), str(file), *arguments]
        self.processes[port] = self.stacks[port].enter_context(running(command, folder, os.environ, folder / "log"))
        wait_until(lambda: self.ask(port, "ping"), "a server", 30)

    def stop(self) -> None:
        for port, stack in self.stacks.items():
            with suppress(KeyError, ProcessLookupError):
                os.killpg(self.processes[port].popen.pid, signal.SIGCONT)
            stack.close()

    def ask(self, port: int, *command: str) -> str:
        """What redis-cli prints. Empty if the server does not answer within two seconds."""
        password = SENTINEL_PASSWORD if port in self.sentinels else PASSWORD
        arguments = [program("redis-cli"), "-p", str(port), "--no-auth-warning", *command]
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                arguments,
                env={**os.environ, "REDISCLI_AUTH": password},
                capture_output=True,
                text=True,
                timeout=2,
                check=False,
            )
            return done.stdout if done.returncode == 0 and "NOAUTH" not in done.stdout else ""
        return ""

    def primary(self) -> int:
        """The port of the primary, as most sentinels say."""
        said = [self.ask(port, "sentinel", "get-master-addr-by-name", "mymaster").split() for port in self.sentinels]
        ports = [int(answer[1]) for answer in said if len(answer) == 2]
        return max(set(ports), key=ports.count)

    def is_whole(self) -> bool:
        """Whether all three servers are there, and two of them follow."""
        info = self.ask(self.primary(), "info", "replication")
        return info.count("state=online") == SERVERS - 1

    @contextmanager
    def killed(self, port: int) -> Iterator[None]:
        os.killpg(self.processes[port].popen.pid, signal.SIGKILL)
        self.processes[port].popen.wait()
        yield
        self.start_server(port)

    @contextmanager
    def frozen(self, port: int) -> Iterator[None]:
        os.killpg(self.processes[port].popen.pid, signal.SIGSTOP)
        yield
        os.killpg(self.processes[port].popen.pid, signal.SIGCONT)

    @contextmanager
    def cut_off(self, port: int) -> Iterator[None]:
        """Neither the sentinels nor the replicas reach it: their users can't log in. Clients can."""
        for user in ("watcher", "follower"):
            self.ask(port, "acl", "setuser", user, "off")
            self.ask(port, "client", "kill", "user", user)
        self.ask(port, "client", "kill", "type", "replica")
        yield
        for user in ("watcher", "follower"):
            self.ask(port, "acl", "setuser", user, "on")
        self.ask(port, "client", "kill", "type", "normal")  # a sentinel logs in only when it connects

    @contextmanager
    def fault(self, kind: str) -> Iterator[float]:
        """Make this fault of the primary, and yield the moment once there is another one. It lasts as long as the context."""
        port = self.primary()
        begin = time.time()
        with getattr(self, kind)(port):
            wait_until(lambda: self.primary() != port, "another primary", 60)
            yield begin
        wait_until(self.is_whole, "all servers again", 90)
