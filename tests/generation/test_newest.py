"""The weekly try of newer releases lifts each cap, and says what to reread."""

import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.newest import CAPPED, newer, uncap

Bake = Callable[..., Path]
READ = {"celery": "5.7.9", "kombu": "5.7.0", "django-celery-beat": "2.9.1"}


def test_each_cap_is_lifted(bake: Bake, tmp_path: Path) -> None:
    project = shutil.copytree(bake(broker="rabbitmq"), tmp_path / "project")
    uncap(project)
    dependencies = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]

    assert len([name for name in dependencies if name.startswith(tuple(f"{capped}>=" for capped in CAPPED))]) == 3
    assert "~=" not in " ".join(dependencies)


def test_nothing_is_to_be_reread_for_the_minor_release_that_was_read(bake: Bake) -> None:
    assert newer(bake(), READ) == []


@pytest.mark.parametrize(("library", "file"), [("celery", "task.py"), ("kombu", "broker/redis_reconnect.py"), ("django-celery-beat", "beat/entry.py")])  # fmt: skip
def test_a_newer_minor_release_names_its_rows(bake: Bake, library: str, file: str) -> None:
    first, *rows = newer(bake(), {**READ, library: "9.0.0"})

    assert f"{library} 9.0.0" in first
    assert [row for row in rows if f"`{file}`" in row] != []
    assert [row for row in rows if "`probe/" in row] == []
