"""A project takes in a newer template through cruft, and keeps what its people have changed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.baking import TEMPLATE, clean_environment

IDENTITY = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")


def run(folder: Path, *command: str) -> str:
    """Run a command in a folder; return what it printed, errors too."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=clean_environment(HOME=str(folder.parent), USERPROFILE=str(folder.parent)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def commit(folder: Path, message: str) -> None:
    """Commit all that there is."""
    run(folder, "git", "add", "--all")
    run(folder, "git", *IDENTITY, "commit", "--quiet", "--message", message)


def cruft(folder: Path, *arguments: str) -> str:
    """Run cruft; return what it printed."""
    return run(folder, sys.executable, "-m", "cruft", *arguments)


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A repository of the template as it is here, with one commit."""
    listed = run(TEMPLATE, "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    folder = tmp_path / "template"
    for name in filter(lambda name: (TEMPLATE / name).is_file(), listed):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TEMPLATE / name, folder / name)
    run(folder, "git", "init", "--quiet", "--initial-branch", "main")
    commit(folder, "The template")
    return folder


@pytest.fixture
def project(template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that cruft made, with a repository as the hook said to make it, and a local edit."""
    monkeypatch.setenv("BAKE_GIT_INIT", "1")
    printed = cruft(template.parent, "create", str(template), "--no-input", "--output-dir", str(template.parent))
    project = template.parent / "my_project"
    assert "In my_project, run: git init && git add --all && git commit" in printed
    assert not (project / ".git").exists()
    run(project, "git", "init", "--quiet")
    (project / "README.md").write_text(f"{(project / 'README.md').read_text()}\n## Ours\n")
    (project / ".env").write_text(f"{(project / '.env').read_text()}OURS=1\n")
    commit(project, "Begin")
    return project


def change(template: Path, name: str, old: str, new: str) -> None:
    """Change a text in a file of the template."""
    file = template / name
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_an_update_brings_the_template_s_change_and_keeps_local_edits_and_secrets(
    template: Path, project: Path
) -> None:
    secrets = {name: (project / name).read_bytes() for name in (".env", ".env.production")}
    change(template, "{{cookiecutter.project_slug}}/README.md", "## First start", "## Your first start")
    change(template, "{{cookiecutter.project_slug}}/.env.example", "# The ports on", "NEW=1\n\n# The ports on")
    commit(template, "A change")

    printed = cruft(project, "update", "--skip-apply-ask")

    readme = (project / "README.md").read_text()
    assert "## Your first start" in readme
    assert readme.endswith("\n## Ours\n")
    assert {name: (project / name).read_bytes() for name in secrets} == secrets
    assert set(run(project, "git", "status", "--porcelain", "-uall").split()[1::2]) == {
        ".cruft.json",
        ".env.example",
        "README.md",
    }
    assert "git init" not in printed
    assert "up to date" in cruft(project, "check") or "SUCCESS" in cruft(project, "check")


def test_an_update_can_change_an_answer(template: Path, project: Path) -> None:
    printed = cruft(
        project, "update", "--skip-apply-ask", "--variables-to-update", '{"ci": "gitlab", "broker": "redis"}'
    )

    changed = run(project, "git", "status", "--porcelain", "-uall")
    assert "D  .github/workflows/ci.yml" in changed
    assert "A  .gitlab-ci.yml" in changed
    assert "CELERY_BROKER_URL=redis://localhost:6379/1" in (project / ".env.example").read_text().splitlines()
    assert "OURS=1" in (project / ".env").read_text()
    assert "failed" not in printed.lower()


def test_an_update_knows_a_filter_that_only_the_newer_template_has(template: Path, project: Path) -> None:
    """cruft renders both versions in one process, and Python imports a module once."""
    with (template / "answer_validators.py").open("a") as file:
        file.write("\n\ndef loud(text: str) -> str:\n    return text.upper()\n")
    change(template, "local_extensions.py", "import json\n", "import json\n\nfrom answer_validators import loud\n")
    change(template, "local_extensions.py", "filters.update(", "filters.update(loud=loud, ")
    change(template, "{{cookiecutter.project_slug}}/README.md", "## First start", "## {{ 'first' | loud }} start")
    commit(template, "A filter")

    cruft(project, "update", "--skip-apply-ask")

    assert "## FIRST start" in (project / "README.md").read_text()
