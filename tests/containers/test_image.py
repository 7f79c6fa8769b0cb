"""The image that `docker build .` makes: how large, how long it takes, and what is in it."""

import json
import re
import secrets
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.baking import UV, Project, bake_into, clean_environment
from tests.containers.stack import NAME

MOST_MEGABYTES = 150  # above the base image
MOST_SECONDS = 10  # for a build after a change of the source only
INSTALLED = (
    "import importlib.metadata as m, json; print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"
)


class Image:
    """An image of a baked project, built as a person builds it."""

    def __init__(self, project: Project, name: str) -> None:
        self.project, self.name = project, name

    def build(self, *options: str) -> float:
        """Build it; return how many seconds that took."""
        start = time.monotonic()
        self.project.run("docker", "build", "--tag", self.name, "--label", f"test={self.name}", *options, ".")
        return time.monotonic() - start

    def build_cold(self) -> float:
        """Build it as an engine does that has neither a layer of it nor a package; return how many seconds that took."""
        cold = self.project.path.parent / "Dockerfile.cold"
        dockerfile = (self.project.path / "Dockerfile").read_text()
        text, mounts = re.subn(r"--mount=type=cache\S+ \\\n\s*", "", dockerfile)
        assert mounts == dockerfile.count("type=cache") > 0
        cold.write_text(text)
        return self.build("--no-cache", "--file", str(cold))

    def megabytes(self, name: str = "") -> float:
        """The size of all layers of this image, or of another one."""
        history = self.project.run("docker", "history", "--human=false", "--format", "{{.Size}}", name or self.name)
        return sum(map(int, history.stdout.split())) / 1e6

    def run(self, *command: str) -> str:
        """What a command prints in a container of the image."""
        return self.project.run("docker", "run", "--rm", self.name, *command).stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """An image that was built from nothing but its base images, with the driver of PostgreSQL in it."""
    path = bake_into(tmp_path_factory.mktemp("image"), project_name=NAME, broker="redis", database="postgresql")
    project = Project(path, clean_environment())
    project.run(UV, "lock")
    own = Image(project, f"container-tests-{secrets.token_hex(4)}")
    try:
        yield own
    finally:
        project.run("docker", "image", "rm", "--force", own.name)
        project.run("docker", "image", "prune", "--force", "--filter", f"label=test={own.name}")


@pytest.mark.small
def test_it_is_small_and_a_change_of_the_source_is_built_in_seconds(
    image: Image, figure: Callable[[str], None]
) -> None:
    cold, cached = image.build_cold(), image.build("--no-cache")
    base = re.search(r"^FROM (\S+) AS python$", (image.project.path / "Dockerfile").read_text(), re.MULTILINE)
    assert base
    above = image.megabytes() - image.megabytes(base[1])
    tasks = image.project.path / "base/tasks.py"
    tasks.write_text(tasks.read_text() + "\nCHANGED = True\n")
    warm = image.build()
    figure(
        f"image: {above:.0f} MB above {base[1]}; built in {cold:.0f} s, with packages in uv's cache in {cached:.0f} s,"
        f" after a change of source in {warm:.1f} s"
    )

    assert image.run("grep", "-c", "CHANGED", "base/tasks.py").strip() == "1"
    assert 0 < above <= MOST_MEGABYTES
    assert warm < MOST_SECONDS


@pytest.mark.small
def test_it_has_the_versions_of_the_lock_and_no_others(image: Image) -> None:
    image.build()
    packages = tomllib.loads((image.project.path / "uv.lock").read_text())["package"]
    # One name can have several versions, each for other versions of Python.
    locked = {(package["name"], package["version"]) for package in packages if "version" in package}
    installed: dict[str, str] = json.loads(image.run("python", "-c", INSTALLED))
    own = {re.sub(r"[-_.]+", "-", name): version for name, version in installed.items() if name != "pip"}

    assert {"django", "celery", "psycopg"} <= own.keys()
    assert own.items() - locked == set()
    assert {"pytest", "mypy", "ruff"} & own.keys() == set()


@pytest.mark.small
def test_it_is_byte_compiled_and_holds_neither_tools_nor_tests_nor_secrets(image: Image) -> None:
    (image.project.path / ".env.local").write_text("SECRET=1\n")
    (image.project.path / "backups").mkdir()
    (image.project.path / "backups/one").write_text("everything\n")
    image.build()
    files = set(image.run("find", "/app", "-not", "-path", "/app/staticfiles/*").split())
    modules = {Path(file) for file in files if file.endswith(".py")}
    compiled = {
        Path(file).parent.parent / f"{Path(file).name.rsplit('.', 2)[0]}.py" for file in files if ".pyc" in file
    }

    assert Path("/app/base/tasks.py") in modules
    assert modules - compiled == set()
    assert {file for file in files if re.match(r"/app/(tests|docs|backups|\..+|.*\.sqlite3|README.md)", file)} == set()
    assert image.run("sh", "-c", "command -v uv gcc cc make git; true") == ""
    assert image.run("sh", "-c", "ls -d ~root/.cache /var/cache/uv /opt/venv/bin/ruff 2> /dev/null; true") == ""


def test_a_checkout_that_only_its_owner_reads_makes_an_image_that_runs(image: Image) -> None:
    for file in (image.project.path / "base").rglob("*"):
        file.chmod(0o700 if file.is_dir() else 0o600)
    image.build()

    assert image.run("python", "-c", "import base.apps; print('read')").strip() == "read"


def test_sigterm_reaches_the_process(image: Image) -> None:
    image.build()
    variables = {"DJANGO_SECRET_KEY": "x" * 50, "DJANGO_ALLOWED_HOSTS": "localhost", "EMAIL_URL": "dummy:"}
    options = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
    id_ = image.project.run("docker", "run", "--detach", *options, image.name).stdout.strip()
    try:
        for _ in range(100):
            if "Listening at" in image.project.run("docker", "logs", id_).stdout:
                break
            time.sleep(0.2)
        image.project.run("docker", "stop", "--timeout", "20", id_)
        ended = image.project.run("docker", "inspect", "--format", "{{.State.ExitCode}}", id_).stdout.strip()
        log = image.project.run("docker", "logs", id_).stdout
    finally:
        image.project.run("docker", "rm", "--force", id_)

    assert "Handling signal: term" in log
    assert ended == "0"
