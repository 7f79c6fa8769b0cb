"""With ``rediss://`` and ``amqps://`` the broker's certificate is checked: who signed it, and for which host."""

import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.baking import Project
from tests.servers import accepts, free_port, program, running

Installed = Callable[..., Project]
CONNECT = """
from config import celery_app
with celery_app.connection_for_write() as connection:
    connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
    connection.default_channel
    print("connected")
"""


@pytest.fixture(scope="module", params=["localhost", "elsewhere.example"])
def certificate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, bool]:
    """A certificate that signs itself, its key, and whether it is one of this host."""
    folder = tmp_path_factory.mktemp("certificate")
    command = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        "key.pem",
        "-out",
        "certificate.pem",
    ]
    subject = ("-subj", f"/CN={request.param}", "-addext", f"subjectAltName=DNS:{request.param}")
    subprocess.run(
        [program("openssl"), *command, *subject],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder / "certificate.pem", folder / "key.pem", request.param == "localhost"


@contextmanager
def redis_with_tls(certificate: Path, key: Path, folder: Path) -> Iterator[int]:
    """A Redis that speaks TLS only; yields its port."""
    port = free_port()
    files = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no"]
    command = [program("redis-server"), "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with running([*command, *files], folder, os.environ, folder / "server.log") as server:
        server.wait_for(lambda: accepts(port), "a Redis with TLS")
        yield port


@contextmanager
def listener_with_tls(certificate: Path, key: Path) -> Iterator[int]:
    """A server that shakes hands and then hangs up: enough to see whether a client of RabbitMQ trusts it; yields its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    def serve(server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:  # closed
                return
            with closing(connection):
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:  # the client does not trust this server, and says so
                    continue

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def connect(project: Project, url: str, trusted: str, **others: str) -> str:
    """What a process of the project prints that connects to the broker, trusting the authorities in the file ``trusted``."""
    python = project.interpreter
    variables = {"CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": "", "SSL_CERT_FILE": trusted}
    variables["DJANGO_SETTINGS_MODULE"] = "config.settings.development"
    return project.run(python, "-c", CONNECT, check=False, **variables, **others).stdout


def test_redis_is_trusted_by_its_certificate(
    installed: Installed, tmp_path: Path, certificate: tuple[Path, Path, bool]
) -> None:
    project = installed(tmp_path / "project", broker="redis")
    file, key, is_of_this_host = certificate
    with redis_with_tls(file, key, tmp_path) as port:
        url = f"rediss://localhost:{port}/1"
        untrusted, trusted = connect(project, url, os.devnull), connect(project, url, str(file))

    assert "CERTIFICATE_VERIFY_FAILED" in untrusted
    assert ("connected" in trusted) is is_of_this_host
    assert ("Hostname mismatch" in trusted) is not is_of_this_host


@contextmanager
def sentinel_with_tls(certificate: Path, key: Path, folder: Path) -> Iterator[int]:
    """A sentinel and its Redis, both of which speak TLS only; yields the sentinel's port."""
    port = free_port()
    with redis_with_tls(certificate, key, folder) as server:
        (folder / "sentinel.conf").write_text(
            f"port 0\ntls-port {port}\nbind 127.0.0.1\ntls-cert-file {certificate}\ntls-key-file {key}\n"
            f"tls-ca-cert-file {certificate}\ntls-auth-clients no\ntls-replication yes\n"
            "sentinel resolve-hostnames yes\nsentinel announce-hostnames yes\n"
            f"sentinel monitor mymaster localhost {server} 1\n"
        )
        command = [program("redis-server"), "sentinel.conf", "--sentinel"]
        with running(command, folder, os.environ, folder / "sentinel.log") as sentinel:
            sentinel.wait_for(lambda: accepts(port), "a sentinel with TLS")
            yield port


def test_a_sentinel_and_its_redis_are_trusted_by_their_certificates(
    installed: Installed, tmp_path: Path, certificate: tuple[Path, Path, bool]
) -> None:
    project = installed(tmp_path / "project", broker="redis")
    file, key, is_of_this_host = certificate
    with sentinel_with_tls(file, key, tmp_path) as port:
        url, tls = f"sentinel://localhost:{port}/1", {"CELERY_BROKER_TLS": "true", "CELERY_BROKER_REPLICAS": "0"}
        untrusted = connect(project, url, os.devnull, **tls)
        trusted = connect(project, url, os.devnull, CELERY_BROKER_CA_CERTS=str(file), **tls)
        plain = connect(project, url, str(file))

    assert "connected" not in untrusted + plain
    assert ("connected" in trusted) is is_of_this_host


def test_each_node_of_rabbitmq_is_trusted_by_its_own_name(
    installed: Installed, tmp_path: Path, certificate: tuple[Path, Path, bool]
) -> None:
    project = installed(tmp_path / "project", broker="rabbitmq")
    file, key, is_of_this_host = certificate
    with listener_with_tls(file, key) as port:
        connected = connect(project, f"amqps://127.0.0.1:{free_port()}/;amqps://localhost:{port}/", str(file))

    assert ("CERTIFICATE_VERIFY_FAILED" in connected) is not is_of_this_host


def test_rabbitmq_is_trusted_by_its_certificate(
    installed: Installed, tmp_path: Path, certificate: tuple[Path, Path, bool]
) -> None:
    project = installed(tmp_path / "project", broker="rabbitmq")
    file, key, is_of_this_host = certificate
    with listener_with_tls(file, key) as port:
        url = f"amqps://localhost:{port}/"
        untrusted, trusted = connect(project, url, os.devnull), connect(project, url, str(file))

    assert "CERTIFICATE_VERIFY_FAILED" in untrusted
    assert ("CERTIFICATE_VERIFY_FAILED" in trusted) is not is_of_this_host
    assert ("Hostname mismatch" in trusted) is not is_of_this_host
