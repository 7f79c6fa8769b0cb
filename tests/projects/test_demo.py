"""``make demo``, the first thing that a newcomer types."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.baking import TEMPLATE, UV, clean_environment
from tests.running.site import Site
from tests.servers import free_port, running


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that git tracks, and those it would, in a repository of their own, whose path has a blank and more."""
    tmp_path = tmp_path / "My C# 100%25 'projects'" / "clone"
    tmp_path.mkdir(parents=True)
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=TEMPLATE, check=True, capture_output=True, text=True).stdout.splitlines()
    for name in filter(lambda name: (TEMPLATE / name).exists(), listed):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TEMPLATE / name, tmp_path / name)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.fixture
def newcomer(checkout: Path) -> dict[str, str]:
    """The environment of a person without uv, whose uv cache is this machine's."""
    cache = subprocess.run([UV, "cache", "dir"], check=True, capture_output=True, text=True).stdout.strip()
    path = [folder for folder in os.environ["PATH"].split(os.pathsep) if not Path(folder, "uv").exists()]
    environment = clean_environment(HOME=str(checkout.parent), UV_CACHE_DIR=cache, PATH=os.pathsep.join(path))
    return {name: value for name, value in environment.items() if not name.startswith("BAKE_")}


def test_the_demo_prints_a_result_and_a_next_step_and_is_kept_when_it_is_asked_for_again(
    checkout: Path, newcomer: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    # The environment of this test run, so that the tools are not fetched once more.
    command = ["make", "demo", f"VENV={sys.prefix}"]
    first = subprocess.run(command, cwd=checkout, env=newcomer, capture_output=True, text=True, check=False)
    mine = checkout / "demo/my_project/base/tasks.py"
    mine.write_text(mine.read_text() + "# mine\n")
    second = subprocess.run(command, cwd=checkout, env=newcomer, capture_output=True, text=True, check=False)

    assert first.returncode == 0, first.stderr
    assert "Result: 0 new users in 3 months (SUCCESS)." in first.stdout
    assert (checkout / "demo/my_project/uv.lock").is_file()
    assert not (checkout / "demo/my_project/.git").exists()
    assert "is left as it is" in second.stdout
    assert mine.read_text().endswith("# mine\n")

    port, log = free_port(), tmp_path_factory.mktemp("log") / "log"
    next_step = shlex.split(first.stdout.splitlines()[-1])
    with running([*next_step, f"WEB_PORT={port}"], checkout, newcomer, log) as web:
        web.wait_for(Site(port).answers, "the site of the printed command")
