"""Real servers and processes for the tests: on loopback, on free ports, in folders of their own, and stopped again."""

import json
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.baking import MAKE, Project
from tests.conftest import missing

START_SECONDS = 120.0  # RabbitMQ on two busy cores takes about 15
STOP_SECONDS = 30.0


def free_port() -> int:
    """A TCP port on loopback that nothing listens on at this moment.

    It is below the range from which systems take the ports of outgoing connections. One of those could take the port of a
    server while that is restarted.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def accepts(port: int) -> bool:
    """Whether something listens on this port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
    """Ask until ``condition()`` is true.

    Raises:
        AssertionError: it was not within ``seconds``; the message is ``what`` was awaited.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)


class Process:
    """A command that runs in a process group of its own until ``stop``; what it prints is in ``log``."""

    def __init__(
        self, command: list[str], cwd: Path, environment: Mapping[str, str], log: Path, user: str | None = None
    ):
        self.log = log
        with log.open("wb") as output:
            self.popen = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user,
            )

    def output(self) -> str:
        """What the command has printed so far, errors too."""
        return self.log.read_text(errors="replace")

    def wait_for(self, ready: Callable[[], object], what: str) -> None:
        """Wait until ``ready()`` is true, but not longer than the command runs."""

        def ready_or_ended() -> bool:
            return bool(ready()) or self.popen.poll() is not None

        try:
            wait_until(ready_or_ended, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output()}") from None
        assert ready(), f"ended with {self.popen.returncode} before {what}:\n{self.output()}"

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the whole group: with a signal that asks, and where that does not help in time, with one that doesn't."""
        for attempt in (number, signal.SIGKILL):
            try:
                os.killpg(self.popen.pid, attempt)
            except ProcessLookupError:
                break
            try:
                self.popen.wait(STOP_SECONDS)
                wait_until(lambda: not group_lives(self.popen.pid), "the end of a process group", STOP_SECONDS)
                break
            except (subprocess.TimeoutExpired, AssertionError):
                continue
        self.popen.wait()


def group_lives(group: int) -> bool:
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def children(process: Process) -> list[int]:
    """The ids of a process's children."""
    pid = process.popen.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def running(
    command: list[str], cwd: Path, environment: Mapping[str, str], log: Path, user: str | None = None
) -> Iterator[Process]:
    """A ``Process`` that is stopped at the end."""
    process = Process(command, cwd, environment, log, user)
    try:
        yield process
    finally:
        process.stop()


def program(name: str, *folders: str) -> str:
    """The path of a server's program, on the path or in one of the folders where distributions put it.

    Where there is none the test is skipped, or fails under ``REQUIRE_SERVICES=1``.
    """
    found = shutil.which(name) or next(
        (str(path) for folder in folders for path in sorted(Path("/").glob(f"{folder}/{name}"))), None
    )
    return found or missing(f"{name} is not installed")


@contextmanager
def redis(folder: Path, name: str = "redis-server") -> Iterator[int]:
    """A Redis, or with ``name="valkey-server"`` a Valkey, that keeps nothing; yields its port."""
    port = free_port()
    with redis_server(folder, port, name, "--appendonly", "no"):
        yield port


@contextmanager
def redis_server(folder: Path, port: int, name: str, *settings: str) -> Iterator[Process]:
    """A Redis or Valkey on a given port, whose data is in ``folder``; yields its process."""
    command = [program(name), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *settings]
    with running(command, folder, os.environ, folder / "server.log") as server:
        server.wait_for(lambda: accepts(port) and "eady to accept" in server.output(), f"{name} on port {port}")
        yield server


@contextmanager
def rabbitmq(folder: Path, user: str, password: str) -> Iterator[int]:
    """A RabbitMQ whose user and vhost are ``user``; yields its port."""
    port = free_port()
    with rabbitmq_node(folder, port, user, password):
        yield port


@contextmanager
def port_mapper(folder: Path) -> Iterator[int]:
    """Erlang's port mapper, by which RabbitMQ's nodes find each other; yields its port."""
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    command = [program("epmd"), "-port", str(port), "-address", "127.0.0.1"]
    with running(command, folder, environment, folder / "epmd.log") as names:
        names.wait_for(lambda: accepts(port), "Erlang's port mapper")
        yield port


@contextmanager
def rabbitmq_node(
    folder: Path, port: int, user: str, password: str, figures: int = 0, mapper: int = 0, cluster: Sequence[int] = ()
) -> Iterator[Process]:
    """A RabbitMQ node on a given port, whose data is in ``folder``; yields its process.

    If ``figures`` is a port, the node tells Prometheus its own figures there, as its image does. The nodes of a ``cluster``, given
    by their ports, have one port mapper, and folders side by side.
    """
    server = program("rabbitmq-server", "usr/lib/rabbitmq/bin", "usr/lib/rabbitmq/lib/*/sbin")
    # Debian's wrapper on the path changes the user and the folder: the program behind it does neither.
    own = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    lines = [
        f"listeners.tcp.default = 127.0.0.1:{port}",
        f"default_user = {user}",
        f"default_pass = {password}",
        f"default_vhost = {user}",
        *([f"prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {figures}"] if figures else []),
        *(["cluster_formation.peer_discovery_backend = classic_config"] if cluster else []),
        *(
            f"cluster_formation.classic_config.nodes.{number} = test{one}@localhost"
            for number, one in enumerate(cluster, 1)
        ),
    ]
    (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
    (folder / "enabled_plugins").write_text("[rabbitmq_prometheus].\n" if figures else "[].\n")
    with ExitStack() as stack:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder.parent if cluster else folder),  # the Erlang cookie is kept there
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(mapper or stack.enter_context(port_mapper(folder))),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test{port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
        }
        (folder / "environment.json").write_text(json.dumps(environment))
        command = [str(own) if own.exists() else server]
        node = stack.enter_context(running(command, folder, environment, folder / "server.log"))
        node.wait_for(lambda: "Server startup complete" in node.output(), f"RabbitMQ on port {port}")
        yield node


def rabbitmq_queues(folder: Path, vhost: str, *columns: str) -> list[str]:
    """The names of the queues on the vhost of the node that ``rabbitmq`` runs in ``folder``, or these columns of them."""
    # As above: Debian's wrapper on the path would change the user.
    own = Path("/usr/lib/rabbitmq/bin/rabbitmqctl")
    command = [str(own) if own.exists() else program("rabbitmqctl", "usr/lib/rabbitmq/lib/*/sbin")]
    listed = subprocess.run(
        [*command, "--quiet", "--vhost", vhost, "list_queues", "--no-table-headers", *(columns or ["name"])],
        env=json.loads((folder / "environment.json").read_text()),
        check=True,
        capture_output=True,
        text=True,
    )
    return listed.stdout.splitlines()


# The variables of .env by which a project finds its broker.
BROKER_URLS = ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND")


@contextmanager
def broker_of(project: Project, name: str, folder: Path) -> Iterator[None]:
    """The broker that a project was baked for, whose port is changed in .env, as its owner would."""
    variables = {key: str(value or "") for key, value in project.variables().items()}
    is_rabbitmq = name == "rabbitmq"
    broker = (
        rabbitmq(folder, "my_project", variables["RABBITMQ_PASSWORD"])
        if is_rabbitmq
        else redis(folder, f"{name}-server")
    )
    with broker as port:
        default = ":5672/" if is_rabbitmq else ":6379/"
        project.set_env(**{url: variables[url].replace(default, f":{port}/") for url in BROKER_URLS})
        yield


def run_tests_through_broker(project: Project, target: str) -> str:
    """Run the project's own tests, none of which may miss a worker, through the broker of its .env; what they printed."""
    variables = project.variables()
    urls = [f"{name}={variables[name]}" for name in BROKER_URLS]

    tests = project.run(*MAKE, target, *urls, PYTEST_ADDOPTS="-rs").stdout

    assert " passed" in tests
    assert "To run this through a worker" not in tests  # why such a test is skipped
    return tests


# The names of queues, bindings, results and whatever else Redis or Valkey holds.
KEYS = """
from redis import Redis
from django.conf import settings
urls = [settings.CELERY_BROKER_URL, settings.CELERY_RESULT_BACKEND]
print(*(key.decode() for url in urls for key in Redis.from_url(url).scan_iter()))
"""


def names_in_broker(project: Project, folder: Path) -> list[str]:
    """What a broker that ``broker_of`` runs in ``folder`` holds: names of queues, or of all keys of Redis."""
    if "amqp" in str(project.variables()["CELERY_BROKER_URL"]):
        return rabbitmq_queues(folder, "my_project")
    return project.python(KEYS).split()


def owner_of_databases() -> str:
    """Who runs PostgreSQL and pgbouncer, which refuse to run as root. Their data must belong to that user."""
    return "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def postgresql_program(name: str) -> str:
    return str(Path(program("initdb", "usr/lib/postgresql/*/bin")).resolve().with_name(name))


@contextmanager
def postgresql_data(*command: str) -> Iterator[Path]:
    """A folder that a program of PostgreSQL fills, such as ``initdb``. It has one that the server's user can reach."""
    data, user = Path("/tmp") / f"postgresql-{secrets.token_hex(6)}", owner_of_databases()
    data.mkdir(mode=0o700)
    shutil.chown(data, user)
    try:
        subprocess.run(
            [*command, "--pgdata", str(data), "--no-sync"], cwd=data, user=user, check=True, capture_output=True
        )
        yield data
    finally:
        shutil.rmtree(data)


@contextmanager
def postgresql_server(data: Path, port: int, log: Path) -> Iterator[Process]:
    """A PostgreSQL with this folder, on a given port; yields its process."""
    options = [f"-cunix_socket_directories={data}", "-clisten_addresses=127.0.0.1", "-cfsync=off"]
    command = [postgresql_program("postgres"), "-D", str(data), "-p", str(port), *options]
    with running(command, data, os.environ, log, owner_of_databases()) as server:
        server.wait_for(lambda: "ready to accept" in server.output(), f"PostgreSQL on port {port}")
        try:
            yield server
        finally:
            server.stop(signal.SIGINT)  # asked by SIGTERM, it would wait for its clients to go


INITDB = ("--username", "postgres", "--auth", "trust", "--encoding", "UTF8")


@contextmanager
def postgresql(folder: Path) -> Iterator[int]:
    """A PostgreSQL that trusts its superuser ``postgres`` from loopback; yields its port."""
    port = free_port()
    initdb = postgresql_data(postgresql_program("initdb"), *INITDB)
    with initdb as data, postgresql_server(data, port, folder / "postgresql.log"):
        yield port


@contextmanager
def pgbouncer(folder: Path, server: int) -> Iterator[int]:
    """A pooler before the PostgreSQL at this port, which gives a connection away after each transaction; yields its port."""
    with pooler(folder, server) as (port, _):
        yield port


@contextmanager
def pooler(folder: Path, server: int) -> Iterator[tuple[int, Callable[[int], None]]]:
    """The same; yields its port, and what makes it turn to the server at another port."""
    port, settings = free_port(), Path("/tmp") / f"pgbouncer-{secrets.token_hex(6)}.ini"

    def write(server: int) -> None:
        settings.write_text(
            "[databases]\n"
            f"* = host=127.0.0.1 port={server} user=postgres\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\nserver_login_retry = 1\n"
        )

    write(server)
    shutil.chown(settings, owner_of_databases())
    try:
        command = [program("pgbouncer", "usr/sbin"), str(settings)]
        with running(command, Path("/tmp"), os.environ, folder / "pgbouncer.log", owner_of_databases()) as process:
            process.wait_for(lambda: accepts(port), f"pgbouncer on port {port}")

            def turn(server: int) -> None:
                write(server)
                process.popen.send_signal(signal.SIGHUP)

            yield port, turn
    finally:
        settings.unlink()
