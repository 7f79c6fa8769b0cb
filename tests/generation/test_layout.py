"""What a bake leaves on the disk, for every pair of choices, and for every broker with every database and kind of CI."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from jinja2 import Environment

from bake_steps import next_steps, repository
from bake_steps.optional_files import KUBERNETES, MONITORING, MONITORING_ON_KUBERNETES
from local_extensions import TemplateExtension
from tests.baking import CHOICES, TEMPLATE, bake_command, bake_into, clean_environment, rendered
from tests.covering import BAKED, name_of

Bake = Callable[..., Path]
PARSERS: dict[str, Callable[[str], Any]] = {
    ".py": ast.parse,
    ".toml": tomllib.loads,
    ".yaml": lambda text: list(yaml.safe_load_all(text)),
    ".yml": yaml.safe_load,
    ".json": json.loads,
}
HOOKS = sorted((TEMPLATE / "hooks").glob("*.py"))
STEPS = sorted((TEMPLATE / "bake_steps").glob("*.py"))
BROKERS = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))["_brokers"]
CI_FILES = {"github": ".github/workflows/ci.yml", "gitlab": ".gitlab-ci.yml"}


@pytest.fixture(params=BAKED, ids=name_of)
def project(bake: Bake, request: pytest.FixtureRequest) -> Path:
    return bake(**request.param)


def test_every_file_parses(project: Path) -> None:
    parsed = [
        PARSERS[file.suffix]((project / file).read_text()) for file in rendered(project) if file.suffix in PARSERS
    ]

    assert len(parsed) > 40


def test_nothing_is_left_unrendered(project: Path) -> None:
    left = [
        str(file)
        for file in rendered(project)
        if re.search(r"[{ (]cookiecutter\.", (project / file).read_text()) or "{" in file.name
    ]

    assert left == []


def test_lines_end_without_blanks_and_files_with_one_newline(project: Path) -> None:
    texts = {str(file): (project / file).read_text() for file in rendered(project) if "licen" not in str(file).lower()}
    untidy = [name for name, text in texts.items() if re.search(r"[ \t]$|\n\n\n\n|\n\n\Z", text, re.MULTILINE)]

    assert untidy == []
    assert [name for name, text in texts.items() if text and not text.endswith("\n")] == []


@pytest.mark.parametrize("ci", CHOICES["ci"])
def test_the_answer_decides_the_file_of_the_ci(bake: Bake, ci: str) -> None:
    project = bake(ci=ci)

    assert [name for name, file in CI_FILES.items() if (project / file).exists()] == [ci] * (ci != "none")


@pytest.mark.parametrize("broker", sorted(set(CHOICES["broker"]) - {"none"}))
def test_development_production_and_ci_run_the_same_image_of_a_broker(bake: Bake, broker: str) -> None:
    project, gitlab = bake(broker=broker), bake(broker=broker, ci="gitlab")
    files = [project / "compose.yaml", project / "compose.production.yaml", project / CI_FILES["github"]]
    texts = [file.read_text() for file in (*files, gitlab / CI_FILES["gitlab"])]
    image = re.compile(rf"(?:image|name): (\S*{broker}:\S+)$", re.MULTILINE)

    assert [image.findall(text) for text in texts] == [[BROKERS[broker]["image"]]] * 4


@pytest.mark.parametrize("license_", CHOICES["license"])
def test_the_answer_decides_the_licence(bake: Bake, license_: str) -> None:
    texts = {choice: (bake(license=choice) / "LICENSE").read_text() for choice in CHOICES["license"]}

    assert len(texts[license_]) > 100
    assert [choice for choice, text in texts.items() if text == texts[license_]] == [license_]


@pytest.mark.parametrize("django_version", CHOICES["django_version"])
def test_django_s_own_tasks_are_there_where_django_has_them(bake: Bake, django_version: str) -> None:
    project = bake(django_version=django_version)
    files = {path.relative_to(project).as_posix() for path in project.rglob("*django?tasks*")}
    named = "background.django_tasks.CeleryBackend" in (project / "config/settings/base.py").read_text()

    of_django_6 = {
        "background/django_tasks.py",
        "background/tests/test_django_tasks.py",
        "docs/django-tasks.md",
        "tests/test_django_tasks.py",
    }
    assert (files, named) == {"5.2": (set(), False), "6.0": (of_django_6, True)}[django_version]


@pytest.mark.parametrize("django_version", CHOICES["django_version"])
def test_the_answer_decides_django_and_the_python_it_needs(bake: Bake, django_version: str) -> None:
    metadata = tomllib.loads((bake(django_version=django_version) / "pyproject.toml").read_text())["project"]

    assert f"django>={django_version},<" in " ".join(metadata["dependencies"])
    assert metadata["requires-python"] == {"5.2": ">=3.11", "6.0": ">=3.12"}[django_version]


@pytest.mark.parametrize("database", CHOICES["database"])
def test_the_driver_of_postgresql_is_installed_when_it_is_asked_for(bake: Bake, database: str) -> None:
    metadata = tomllib.loads((bake(database=database) / "pyproject.toml").read_text())["project"]

    assert ("psycopg" in " ".join(metadata["dependencies"])) is (database == "postgresql")


def test_the_time_zone_is_the_project_s_and_so_celery_s(bake: Bake) -> None:
    settings = bake(timezone="Europe/Paris") / "config/settings"

    assert 'TIME_ZONE = "Europe/Paris"' in (settings / "base.py").read_text()
    assert "CELERY_TIMEZONE = TIME_ZONE" in (settings / "celery.py").read_text()


def test_git_tracks_no_secret(tmp_path: Path) -> None:
    project = bake_into(tmp_path)
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard"], cwd=project, check=True, capture_output=True, text=True
    ).stdout.splitlines()

    assert sorted(map(Path, listed)) == rendered(project)


def test_a_bake_writes_nowhere_else(tmp_path: Path) -> None:
    bake_into(tmp_path / "here")

    assert [path.name for path in (tmp_path / "here").iterdir()] == ["my_project"]


def test_a_second_bake_keeps_files_that_the_user_added(tmp_path: Path) -> None:
    """cookiecutter deletes a folder that it copies unrendered before it copies it again: none may be one of those."""
    project = bake_into(tmp_path)
    mine = [project / folder.relative_to(project) / "mine.txt" for folder in project.rglob("*") if folder.is_dir()]
    for file in mine:
        file.write_text("mine")

    bake_into(tmp_path)

    assert [file for file in mine if not file.exists()] == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes of this kind")
def test_manage_can_be_run(bake: Bake) -> None:
    assert os.access(bake() / "manage.py", os.X_OK)


def test_without_uv_the_project_is_made_and_the_next_step_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BAKE_UV_LOCK")
    done = bake_command(tmp_path, PATH=str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert "run: uv lock" in done.stdout
    assert (tmp_path / "my_project/manage.py").is_file()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'error: no route to host' >&2; exit 2", "error: no route to host"),
        ("exit 3", "uv ended with status 3"),
        ("exec sleep 60", "the package index did not answer within 1 seconds"),
    ],
)
def test_a_lock_that_fails_is_explained(
    script: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "uv").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BAKE_UV_LOCK")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(repository, "LOCK_SECONDS", 1.0)
    monkeypatch.setattr(repository, "SILENT_SECONDS", 0.5)

    repository.lock()

    assert f"Could not write uv.lock: {reason}. Once uv" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("caller", "typed"), [(".", "'my project'"), ("..", "'here/my project'"), ("/usr", "'{}'"), ("my project", "'{}'")]
)
def test_the_folder_is_printed_as_it_can_be_typed(
    caller: str, typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "here/my project"
    project.mkdir(parents=True)
    monkeypatch.chdir(project)
    monkeypatch.setenv("PWD", str((tmp_path / "here" / caller).resolve()))

    next_steps.show({"broker": "redis"})

    assert capsys.readouterr().out.splitlines()[1:] == [f"  cd {typed.format(project)}", "  make up"]


def test_a_module_that_lies_in_the_temporary_folder_is_not_imported(tmp_path: Path) -> None:
    """cookiecutter runs the hooks from there, and on many systems anyone may write to it."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    for module in ("json", "re", "secrets", "keyword", "bake_steps"):
        (temporary / f"{module}.py").write_text("raise SystemExit('not the standard library')\n")

    done = bake_command(tmp_path, TMPDIR=str(temporary), TEMP=str(temporary))

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", [*HOOKS, *STEPS], ids=lambda file: file.name)
def test_a_hook_is_python_before_it_is_rendered_and_needs_the_standard_library_only(file: Path) -> None:
    tree = ast.parse(file.read_text())
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert {module.partition(".")[0] for module in modules} - {"bake_steps"} <= sys.stdlib_module_names


def test_nothing_in_the_template_s_folder_hides_a_module_of_python() -> None:
    """The last hook imports from that folder first, so that no installed package can stand in for a step."""
    assert {path.stem for path in TEMPLATE.iterdir()} & sys.stdlib_module_names == set()


def test_the_first_hook_imports_nothing_that_a_file_beside_it_could_stand_in_for() -> None:
    imports = re.findall(r"^ *(?:import|from) .*", (TEMPLATE / "hooks/pre_gen_project.py").read_text(), re.MULTILINE)

    assert imports == ["import sys"]


def copied(folder: Path) -> Path:
    """A copy of the template, as a download has it."""
    return Path(shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns(".*_cache", ".git", ".venv", "demo")))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no folder of such a name")
def test_the_template_can_be_in_a_folder_of_any_name(tmp_path: Path) -> None:
    """The path of its folder is put into the last hook, as the answers are."""
    template = copied(tmp_path / """it's \"""odd\""" {{ 7 * 7 }} \\ é""")

    done = bake_from(template.name, tmp_path)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/my_project/.env").is_file()


def test_the_template_can_be_a_zip_file(tmp_path: Path) -> None:
    """cookiecutter unpacks it into a temporary folder, which is there until the last hook has run."""
    copied(tmp_path / "zipped/template")
    zipped = shutil.make_archive(str(tmp_path / "template"), "zip", tmp_path / "zipped", "template")

    done = bake_from(zipped, tmp_path)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/my_project/.env").is_file()


def bake_from(template: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Bake the template at a path that is relative to ``folder``, into ``folder``/out."""
    return subprocess.run(
        [sys.executable, "-m", "cookiecutter", template, "--no-input", "--output-dir", "out"],
        cwd=folder,
        env=clean_environment(HOME=str(folder), USERPROFILE=str(folder)),
        capture_output=True,
        text=True,
        check=False,
    )


def test_jinja_compiles_no_name_and_no_choice_in_which_there_is_nothing_to_render(tmp_path: Path) -> None:
    """Should cookiecutter come to ask for templates in another way, `skip_plain_texts` no longer saves anything."""
    compiled: list[str] = []
    compile = Environment.compile

    def watch(self: Environment, source: Any, name: str | None = None, *more: Any, **named: Any) -> Any:
        compiled.extend([source] if name is None else [])  # a file has a name, a text has none
        return compile(self, source, name, *more, **named)

    with mock.patch.object(Environment, "compile", watch):
        bake_into(tmp_path)

    assert "{{ cookiecutter | quarantine }}" in compiled
    assert [source for source in compiled if "{" not in source] == []


@pytest.mark.parametrize("text", ["", "plain", "}} %}", " line\n\n", "a\r\nb\rc\r\n", "{{ 1 + 1 }}\n", "{# #}", "{"])
def test_a_text_is_what_jinja_would_make_of_it(text: str) -> None:
    ours, jinja = (Environment(extensions=more, keep_trailing_newline=True) for more in ([TemplateExtension], []))

    assert ours.from_string(text).render(cookiecutter={}) == jinja.from_string(text).render(cookiecutter={})


@pytest.mark.parametrize("which", ["template", "project"])
def test_a_checkout_has_unix_line_ends_whatever_git_is_set_to(which: str, bake: Bake, tmp_path: Path) -> None:
    """With CRLF no shell script runs, and what a bake copies has the template's line ends."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in (".gitattributes", "Makefile"):
        shutil.copy((TEMPLATE if which == "template" else bake()) / name, copy)
    git = ["git", "-c", "core.autocrlf=true", "-c", "core.safecrlf=false"]
    for command in (["init", "--quiet"], ["add", "--all"], ["checkout-index", "--all", "--prefix=out/"]):
        subprocess.run([*git, *command], cwd=copy, check=True)

    assert b"\r" not in (copy / "out/Makefile").read_bytes()


def test_an_env_that_is_a_folder_is_left_as_it_is(bake: Bake, tmp_path: Path) -> None:
    (tmp_path / "my_project/.env").mkdir(parents=True, mode=0o755)

    done = bake_command(tmp_path, "--overwrite-if-exists")

    assert done.returncode == 1
    assert "Could not write .env: It is a folder." in done.stderr
    assert (tmp_path / "my_project/.env").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("answer", "said"), [("broker=rabbitmq", True), ("database=postgresql", True), ("broker=redis", False)]
)
def test_a_second_bake_says_when_the_lock_is_old(answer: str, said: bool, bake: Bake, tmp_path: Path) -> None:
    shutil.copytree(bake(), tmp_path / "my_project")
    (tmp_path / "my_project/uv.lock").touch()

    done = bake_command(tmp_path, "--overwrite-if-exists", answer)

    assert ("The dependencies have changed. In my_project, run: uv lock" in done.stdout) == said


def test_a_name_that_is_not_ascii_is_taken_in_an_ascii_locale(tmp_path: Path) -> None:
    done = bake_command(tmp_path, "author_name=Žofie Ü", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")

    assert done.returncode == 0, done.stderr
    assert 'name = "Žofie Ü"' in (tmp_path / "my_project/pyproject.toml").read_text(encoding="utf-8")


def test_an_older_cookiecutter_is_refused_in_a_sentence() -> None:
    code = "import cookiecutter; cookiecutter.__version__ = '2.6.0'; import local_extensions"

    done = subprocess.run([sys.executable, "-c", code], cwd=TEMPLATE, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("This template needs cookiecutter 2.7 or newer, and this is 2.6.0.")


@pytest.mark.parametrize("variant", [each for each in BAKED if each["monitoring"] == "none"], ids=name_of)
def test_without_monitoring_nothing_of_it_is_left(bake: Bake, variant: dict[str, Any]) -> None:
    project = bake(**variant)
    named = {
        str(file)
        for file in rendered(project)
        # Kubernetes calls by that name what its own scaler and KEDA go by.
        if re.search(
            "prometheus|grafana|alertmanager|METRICS_|metrics(?!:\n|-api)",
            str(file) + (project / file).read_text(),
            re.I,
        )
    }

    # The answer itself, and the format of /health/ that Prometheus reads too.
    assert named - {".cookiecutter.json", "docs/operations.md", "background/templates/background/health.html"} == set()


def test_with_monitoring_all_of_it_is_there(bake: Bake) -> None:
    with_it, without = (set(rendered(bake(monitoring=choice))) for choice in CHOICES["monitoring"][::-1])

    assert {str(file) for file in with_it - without} == set(MONITORING)
    assert without <= with_it


@pytest.mark.parametrize("variant", [each for each in BAKED if each["deployment"] == "compose"], ids=name_of)
def test_without_kubernetes_none_of_its_files_is_left(bake: Bake, variant: dict[str, Any]) -> None:
    project = bake(**variant)

    assert [file for file in rendered(project) if "kube" in str(file)] == []
    assert not (project / ".env.kubernetes").exists()
    assert not (project / "deploy/kubernetes").exists()


@pytest.mark.parametrize("monitoring", CHOICES["monitoring"])
def test_with_kubernetes_all_of_it_is_there(bake: Bake, monitoring: str) -> None:
    with_it, without = (
        set(rendered(bake(monitoring=monitoring, deployment=choice))) for choice in CHOICES["deployment"][::-1]
    )

    assert {str(file) for file in with_it - without} == {
        *KUBERNETES,
        *(MONITORING_ON_KUBERNETES if monitoring == "prometheus" else ()),
    }
    assert without <= with_it
    assert (bake(monitoring=monitoring, deployment="kubernetes") / ".env.kubernetes").exists()
