"""A clone and a project in folders whose names mean something in a URL, in make or in a shell."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.baking import TEMPLATE, Project, clean_environment

Installed = Callable[..., Project]
ODD = "C# 100%25 ? & 'é'"
NAME = "from django.conf import settings; print(settings.DATABASES['default']['NAME'])"


def test_the_database_is_in_the_project_and_its_targets_run(installed: Installed, tmp_path: Path) -> None:
    project = installed(tmp_path / ODD)

    project.make("migrate")

    assert project.python(NAME).strip() == str(project.path / "db.sqlite3")
    assert (project.path / "db.sqlite3").is_file()
    assert "SUCCESS" in project.make("example").stdout


def test_the_template_installs_its_tools_there(tmp_path: Path) -> None:
    clone = tmp_path / ODD / "clone"
    clone.mkdir(parents=True)
    for name in ("Makefile", "constraints.txt"):
        shutil.copy(TEMPLATE / name, clone)
    make = ["make", ".venv/.constraints.txt"]

    for _ in range(2):  # the second time there is nothing to do
        done = subprocess.run(make, cwd=clone, env=clean_environment(), capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stderr
    assert "up to date" in done.stdout
    assert [path.name for path in clone.parent.iterdir()] == ["clone"]
