"""A baked project in containers of its own: other ports, another name for Compose, and nothing left of it at the end."""

import itertools
import json
import os
import re
import secrets
import shutil
import ssl
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.request import HTTPCookieProcessor, HTTPSHandler, build_opener

import pytest

from tests.baking import CHOICES, UV, Project, bake_into, clean_environment
from tests.running.site import Site
from tests.servers import free_port, wait_until

# A person would not name a project so. What the tests remove can't be theirs.
NAME = "Container Tests"
SLUG = "container_tests"
DEVELOPMENT = ("--file", "compose.yaml")
PRODUCTION = ("--env-file", ".env.production", "--file", "compose.production.yaml")


class SecureSite(Site):
    """The site that a proxy serves, whose certificate must be valid."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self.url = f"https://localhost:{port}/"
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()), HTTPSHandler(context=context))
        self.opener.addheaders = [("Referer", self.url)]  # Django's protection of forms asks for it under https


class Stack:
    """The containers of one project, under a name for Compose. ``ports`` are those on the host, as its .env has them."""

    def __init__(self, project: Project, files: tuple[str, ...], ports: dict[str, int], name: str) -> None:
        self.project, self.files, self.ports, self.name = project, files, ports, name

    @property
    def broker(self) -> str:
        """The broker's service, or None."""
        on = self.compose("config", "--services").stdout.split()
        return next((service for service in ("redis", "valkey", "rabbitmq") if service in on), "")

    @property
    def database(self) -> str:
        """The database's service, or None."""
        return "db" if "db" in self.compose("config", "--services").stdout.split() else ""

    def set(self, **values: str) -> None:
        """Give variables of .env.production new values, as a person would, line by line."""
        file = self.project.path / ".env.production"
        text = file.read_text(encoding="utf-8")
        for name, value in values.items():
            text, found = re.subn(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
            assert found, f"{name} is not in .env.production"
        file.write_text(text, encoding="utf-8")

    @property
    def secure_site(self) -> Site:
        """What a person sees in a browser in production, who trusts the proxy's own certificate authority."""
        root = self.compose("exec", "--no-TTY", "proxy", "cat", "/data/caddy/pki/authorities/local/root.crt").stdout
        return SecureSite(self.ports["HTTPS_PORT"], ssl.create_default_context(cadata=root))

    @property
    def site(self) -> Site:
        """What a person sees in a browser in development."""
        return Site(self.ports["WEB_PORT"])

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``docker compose``, as a person would in the project's folder."""
        return self.project.run("docker", "compose", *self.files, *arguments, check=check)

    def containers(self, *services: str) -> list[dict[str, Any]]:
        """What the engine says of the containers of these services, or of all; also of those that have ended."""
        ids = self.compose("--profile", "*", "ps", "--all", "--quiet", *services).stdout.split()
        inspected = self.project.run("docker", "inspect", *ids, check=False).stdout if ids else "[]"
        return list(json.loads(inspected))

    def health(self) -> dict[str, str]:
        """The health of each container that runs, by its name without the project's."""
        return {
            container["Name"].partition("-")[2]: container["State"]["Health"]["Status"]
            for container in self.containers()
            if container["State"]["Running"]
        }

    def python(self, code: str, service: str = "web") -> str:
        """Run Python code with the project's Django set up, in a container of the service; return what it printed."""
        owner = ["as-owner"] if self.files == DEVELOPMENT else []
        shell = (*owner, "python", "manage.py", "shell", "--no-imports", "--command", code)
        return self.compose("exec", "--no-TTY", service, *shell).stdout

    def log(self, *services: str) -> str:
        """What the containers of these services have printed."""
        return self.compose("logs", "--no-color", *services).stdout

    @contextmanager
    def watched(self) -> Iterator[Callable[[], Counter[str]]]:
        """Start Prometheus and Alertmanager; yields what says how many processes of each job tell their figures."""
        services = ("prometheus", "alertmanager")
        query = ("promtool", "query", "instant", "http://localhost:9090", "up == 1")

        def told() -> Counter[str]:
            found = self.compose("exec", "--no-TTY", "prometheus", *query, check=False).stdout
            return Counter(re.findall(r'job="(\w+)"', found))

        self.compose("up", "--detach", "--no-deps", *services)
        try:
            yield told
        finally:
            self.compose("rm", "--stop", "--force", *services)

    def up(self) -> None:
        """Start all, and wait until it is healthy."""
        self.compose("up", "--build", "--detach", "--wait")

    def wait_for_log(self, service: str, text: str, seconds: float = 60) -> None:
        wait_until(lambda: text in self.log(service), f"{text!r} in the log of {service}", seconds)


def variants(*small: tuple[str, str]) -> list[Any]:
    """Parameters for every broker on every database, of which these belong to the smaller half."""
    return [
        pytest.param(variant, id="-".join(variant), marks=[pytest.mark.small] if variant in small else [])
        for variant in itertools.product(CHOICES["broker"], CHOICES["database"])
    ]


def set_ports(file: Path, project_name: str) -> dict[str, int]:
    """Give each port that an .env file names one that is free, and Compose a name of its own; return the ports."""
    text = file.read_text(encoding="utf-8")
    names = re.findall(r"^(\w+_PORT)=", text, re.MULTILINE)
    ports = {name: free_port() for name in names}
    lines = [
        f"{name}={ports[name]}" if (name := line.partition("=")[0]) in ports else line for line in text.splitlines()
    ]
    file.write_text("\n".join([*lines, f"COMPOSE_PROJECT_NAME={project_name}", ""]), encoding="utf-8")
    return ports


@contextmanager
def stack(folder: Path, files: tuple[str, ...] = DEVELOPMENT, **answers: Any) -> Iterator[Stack]:
    """A baked project that is ready to be started, and is taken down with its volumes and images at the end."""
    path = bake_into(folder, project_name=NAME, **answers)
    project = Project(path, clean_environment())
    project.run(UV, "lock")
    env = path / (".env" if files == DEVELOPMENT else ".env.production")
    name = f"containers{secrets.token_hex(4)}"
    own = Stack(project, files, set_ports(env, name), name)
    try:
        yield own
    finally:
        own.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--rmi", "local", "--timeout", "5")
        project.run("docker", "image", "rm", "--force", name, f"{name}-proxy", check=False)
        # Those that a later build of the same name has replaced.
        project.run("docker", "image", "prune", "--force", "--filter", f"label=com.docker.compose.project={name}")


def hand_over(path: Path, user: int) -> None:
    """Give the project to a user other than root, who in containers is the odd one."""
    for file in (path, *path.rglob("*")):
        os.chown(file, user, user)


def has_engine() -> bool:
    """Whether a Docker engine answers, and Compose is there to talk to it."""
    return bool(shutil.which("docker")) and not any(
        subprocess.run(["docker", *words], capture_output=True, check=False).returncode
        for words in (["info"], ["compose", "version"])
    )
