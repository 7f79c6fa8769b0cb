"""Chords, chains, groups and the like, eagerly and through a worker, with each kind of result backend."""

import json
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.baking import Project
from tests.servers import redis, running

Installed = Callable[..., Project]
HERE = Path(__file__).parent
WORKER = ["-m", "celery", "-A", "config", "worker", "--include", "canvas_tasks", "--concurrency", "2"]


@pytest.mark.parametrize("results", ["eager", "redis", "database"])
def test_each_pattern_of_the_canvas_does_what_the_docs_say(installed: Installed, tmp_path: Path, results: str) -> None:
    project = installed(tmp_path / "project", broker="redis")
    for name in ("canvas.py", "canvas_tasks.py"):
        shutil.copy(HERE / "project" / name, project.path)
    python = project.interpreter
    (tmp_path / "notes").touch()
    variables = {"DJANGO_SETTINGS_MODULE": "config.settings.development", "CANVAS_NOTES": str(tmp_path / "notes")}
    with ExitStack() as stack:
        broker = "" if results == "eager" else f"redis://127.0.0.1:{stack.enter_context(redis(tmp_path))}/1"
        variables |= {"CELERY_BROKER_URL": broker, "CELERY_RESULT_BACKEND": broker if results == "redis" else ""}
        project.run(python, "manage.py", "migrate", "--verbosity", "0", check=True, **variables)
        if broker:
            command = [python, *WORKER, "--loglevel", "INFO"]
            worker = running(command, project.path, {**project.environment, **variables}, tmp_path / "log")
            process = stack.enter_context(worker)
            process.wait_for(lambda: " ready." in process.output(), "a worker")
        printed = project.run(python, "canvas.py", check=True, **variables).stdout

    rows = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert len(rows) > 20, printed
    assert [row for row in rows if row["came"] != row["expected"]] == []
