"""A PostgreSQL, one that follows it, and a pooler at whose address the site finds the one that leads."""

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from select import select

from tests.servers import (
    INITDB,
    Process,
    children,
    free_port,
    pooler,
    postgresql_data,
    postgresql_program,
    postgresql_server,
    wait_until,
)


class Databases:
    """It is left by a leader that is killed, or restarted in the middle of everything. What was committed is on both."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.stack, self.count = folder, ExitStack(), 0
        self.leader, self.follower = free_port(), free_port()
        self.data: dict[int, Path] = {}
        self.servers: dict[int, tuple[ExitStack, Process]] = {}
        self.turn: Callable[[int], None]

    def start(self) -> None:
        self.data[self.leader] = self.stack.enter_context(postgresql_data(postgresql_program("initdb"), *INITDB))
        self.run(self.leader)
        self.follow()
        self.port, self.turn = self.stack.enter_context(pooler(self.folder, self.leader))

    def run(self, port: int) -> None:
        self.count += 1
        stack = ExitStack()
        server = stack.enter_context(
            postgresql_server(self.data[port], port, self.folder / f"postgresql-{self.count}.log")
        )
        self.servers[port] = stack, server

    def follow(self) -> None:
        """Start a follower, and let each commit wait for it."""
        copy = ("--host", "127.0.0.1", "--port", str(self.leader), "--username", "postgres", "--write-recovery-conf")
        command = (postgresql_program("pg_basebackup"), *copy, "--checkpoint", "fast")
        self.data[self.follower] = self.stack.enter_context(postgresql_data(*command))
        self.run(self.follower)
        self.ask(self.leader, "ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.ask(self.leader, "SELECT pg_reload_conf()")
        wait_until(
            lambda: "sync" in self.ask(self.leader, "SELECT sync_state FROM pg_stat_replication"), "a follower", 60
        )

    def ask(self, port: int, sql: str) -> str:
        command = [postgresql_program("psql"), "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-At", "-c", sql]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def stop(self) -> None:
        for stack, _ in self.servers.values():
            stack.close()
        self.stack.close()

    def kill(self, port: int) -> None:
        """End a server with all of its processes, which are groups of their own. Beside one of them it would not start again."""
        stack, server = self.servers.pop(port)
        os.kill(server.popen.pid, signal.SIGSTOP)  # it starts none from now on
        with ExitStack() as ends:
            processes = [os.pidfd_open(pid) for pid in (server.popen.pid, *children(server))]
            for process in processes:
                ends.callback(os.close, process)
                signal.pidfd_send_signal(process, signal.SIGKILL)
            wait_until(lambda: len(select(processes, [], [], 0)[0]) == len(processes), "the end of PostgreSQL")
        stack.close()

    def restarted(self) -> None:
        """Kill the leader, and start it again."""
        self.kill(self.leader)
        self.run(self.leader)

    def failed_over(self) -> None:
        """Kill the leader, let the follower lead, and tell the pooler. Then a new one follows that."""
        self.kill(self.leader)
        self.ask(self.follower, "ALTER SYSTEM SET synchronous_standby_names = ''")
        self.ask(self.follower, "SELECT pg_promote()")
        self.turn(self.follower)
        self.leader, self.follower = self.follower, free_port()
        self.follow()
