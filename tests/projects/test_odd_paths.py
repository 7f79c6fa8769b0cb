"""A clone and a project in folders whose names mean something in a URL, in make or in a shell."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.baking import TEMPLATE, UV, Project, clean_environment

Installed = Callable[..., Project]
ODD = "C# 100%25 ? & 'é'"
NAME = "from django.conf import settings; print(settings.DATABASES['default']['NAME'])"


def test_the_database_is_in_the_project_and_its_targets_run(installed: Installed, tmp_path: Path) -> None:
    project = installed(tmp_path / ODD)

    project.make("migrate")

    assert project.python(NAME).strip() == str(project.path / "db.sqlite3")
    assert (project.path / "db.sqlite3").is_file()
    assert "SUCCESS" in project.make("example").stdout


def test_the_template_is_used_from_there(tmp_path: Path) -> None:
    """``make demo`` of a fresh clone, with a uv that is not on the path."""
    clone = tmp_path / ODD / "clone"
    subprocess.run(["git", "clone", "--quiet", TEMPLATE, clone], check=True)
    environment = clean_environment(PATH=f"{Path(UV).parent}{os.pathsep}{os.environ['PATH']}", BAKE_UV_LOCK="0")

    done = subprocess.run(["make", "demo"], cwd=clone, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "SUCCESS" in done.stdout
    assert sorted(path.name for path in (tmp_path / ODD).iterdir()) == ["clone"]
