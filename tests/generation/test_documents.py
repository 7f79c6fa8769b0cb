"""What the documents point to is there: pages, headings, pictures, and the files that they name."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bake_steps import next_steps
from tests.baking import PROJECT, TEMPLATE

Bake = Callable[..., Path]
# What only some projects have, what appears when a project is used, and what each app may have.
SOMETIMES = {
    "tasks.py",
    ".devcontainer/",
    ".github/workflows/ci.yml",
    ".gitlab-ci.yml",
    ".venv",
    "uv.lock",
    ".cruft.json",
    "demo/",
}
NAME = re.compile(r"`((?:[\w.-]+/)*(?:[\w-]+/|[\w-]*\.(?:py|md|sh|yaml|toml|json|txt|example)))`")


@pytest.fixture(params=["template", "project", "every page"])
def folder(bake: Bake, request: pytest.FixtureRequest) -> Path:
    if request.param == "template":
        return TEMPLATE
    return (
        bake()
        if request.param == "project"
        else bake(django_version="6.0", monitoring="prometheus", deployment="kubernetes")
    )


def pages(folder: Path) -> list[Path]:
    return [*folder.glob("*.md"), *folder.glob("docs/*.md")]


def anchors(page: Path) -> set[str]:
    """The names that GitHub and GitLab give to the headings of a page."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> Iterator[str]:
    """The links of a page that lead nowhere in the repository."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" not in link and (not target.exists() or (anchor and anchor not in anchors(target))):
            yield link


def test_every_link_leads_to_a_page_and_a_heading(folder: Path) -> None:
    links = {page.name: list(broken(page)) for page in pages(folder)}

    assert len(links) >= 5
    assert {name: found for name, found in links.items() if found} == {}


def test_every_file_that_a_page_of_the_project_names_is_there(bake: Bake) -> None:
    project = bake()
    missing = {
        (page.name, name)
        for page in pages(project)
        for name in NAME.findall(page.read_text(encoding="utf-8"))
        if name not in SOMETIMES and not any((place / name).exists() for place in (project, project / "background"))
    }

    assert missing == set()


def test_every_make_target_that_a_page_names_is_there(folder: Path) -> None:
    files = {folder / "Makefile", PROJECT / "Makefile", *folder.glob("deploy/kubernetes/*.mk")}
    makefiles = [file.read_text(encoding="utf-8") for file in files]
    there = {target for text in makefiles for target in re.findall(r"^([a-z-]+):", text, re.MULTILINE)}
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages(folder))
    commands = re.findall(r"(?:^ *|`)make (?:-C \S+ )?([a-z -]+)", text, re.MULTILINE)
    named = {target for targets in commands for target in targets.split()}

    assert len(named) >= 10
    assert named - there == set()


def test_the_page_about_operations_lists_every_system_check(bake: Bake) -> None:
    project = bake()
    code = "\n".join(file.read_text(encoding="utf-8") for file in (project / "background").glob("checks/*.py"))
    page = (project / "docs/operations.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^\| `(background\.[EW]\d+)`", page, re.MULTILINE)) == set(
        re.findall(r'id="(background\.[EW]\d+)"', code)
    )


def test_the_readme_shows_the_questions_and_the_last_lines_as_a_bake_prints_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tide_tables").mkdir()
    monkeypatch.chdir(tmp_path / "tide_tables")
    monkeypatch.setenv("PWD", str(tmp_path))
    next_steps.show({"broker": "none"})
    printed = capsys.readouterr().out.splitlines()
    prompts = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))["__prompts__"]
    readme = (TEMPLATE / "README.md").read_text(encoding="utf-8")
    name, broker, *choices, where, enter, start = (
        line
        for line in re.findall(r"^```text\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)[0].splitlines()
        if "…" not in line and "Choose" not in line
    )

    assert name == f"  [1/{len(prompts)}] {prompts['project_name']} (My Project): Tide Tables"
    assert broker.endswith(f"] {prompts['broker']['__prompt__']}")
    assert choices == [
        f"    {number} - {prompts['broker'][choice]}" for number, choice in enumerate(prompts["broker"]) if number
    ]
    assert [where, enter, start] == printed
