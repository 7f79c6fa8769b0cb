"""What docs/forks.md offers to those who test a fork of their own works when it is pasted."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.baking import CHOICES, QUESTIONS, TEMPLATE, UV, clean_environment

PAGE = (TEMPLATE / "docs/forks.md").read_text(encoding="utf-8").partition("## Regenerating variants in CI")[2]


def pasted(language: str) -> str:
    """The one block of the section in this language."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(block)


@pytest.fixture
def fork(tmp_path: Path) -> Path:
    """A copy of the template, with the two files of the page."""
    unwanted = shutil.ignore_patterns(".git", ".venv", "demo", ".*_cache", "__pycache__")
    fork = shutil.copytree(TEMPLATE, tmp_path / "fork", ignore=unwanted)
    for name, language in (("variants/test_variants.py", "python"), (".github/workflows/variants.yml", "yaml")):
        (fork / name).parent.mkdir(exist_ok=True)
        (fork / name).write_text(pasted(language), encoding="utf-8")
    return fork


def pytest_of_the_workflow(fork: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run what the workflow runs, in what it sets, with these options."""
    workflow = yaml.safe_load((fork / ".github/workflows/variants.yml").read_text())
    step = workflow["jobs"]["variants"]["steps"][-1]
    uvx, *command = step["run"].split()
    assert uvx == "uvx"
    path = f"{Path(UV).parent}:{clean_environment()['PATH']}"
    # uvx reads no pyproject.toml, and its own list of certificates does not know a company's proxy.
    environment = clean_environment(**step["env"], PATH=path, UV_SYSTEM_CERTS="1")
    return subprocess.run(
        [UV, "tool", "run", *command, *options], cwd=fork, env=environment, capture_output=True, text=True
    )


def test_it_runs_each_choice_of_every_question(fork: Path) -> None:
    done = pytest_of_the_workflow(fork, "--collect-only")

    count = sum(map(len, CHOICES.values())) + 2 * sum(isinstance(default, bool) for default in QUESTIONS.values())
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^variants/test_variants\.py::", done.stdout, re.MULTILINE)) == count


def test_it_passes_for_the_template_and_fails_for_one_that_is_broken(fork: Path) -> None:
    good = pytest_of_the_workflow(fork, "-k", "rabbitmq")
    (fork / "{{cookiecutter.project_slug}}/base/tasks.py").write_text("import os\n")
    bad = pytest_of_the_workflow(fork, "-k", "rabbitmq")

    assert "1 passed" in good.stdout, good.stdout + good.stderr
    assert (bad.returncode, "1 failed" in bad.stdout) == (1, True)


def test_it_shows_why_a_hook_refused(fork: Path) -> None:
    test = fork / "variants/test_variants.py"
    test.write_text(test.read_text().replace("{name: choice}", '{name: choice, "timezone": "Mars/Olympus"}'))

    done = pytest_of_the_workflow(fork, "-k", "rabbitmq")

    assert done.returncode == 1
    assert "ERROR: timezone" in done.stdout
