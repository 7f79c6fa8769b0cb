"""What a project for Kubernetes runs by itself: the check of its manifests, and the Secret that it makes of its .env file."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.baking import MAKE, Project

SECRET = "deploy/kubernetes/secret.py"
PRODUCTION = {
    "EMAIL_URL": "smtp://mail.example.com",
    "DATABASE_URL": "postgresql://user:secret@db.example.com/site",
}


@pytest.fixture(scope="module")
def project(installed: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    answers = {"broker": "redis", "database": "postgresql", "monitoring": "prometheus", "deployment": "kubernetes"}
    return installed(tmp_path_factory.mktemp("kubernetes"), **answers)


@pytest.fixture
def env(project: Project) -> Iterator[Path]:
    """The project's .env.kubernetes, which a test may change."""
    file = project.path / ".env.kubernetes"
    made = file.read_text()
    yield file
    file.write_text(made)


def change(file: Path, **values: str) -> None:
    text = file.read_text()
    for name, value in values.items():
        text = re.sub(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
    file.write_text(text)


def test_its_check_finds_nothing_and_then_a_misspelt_field(project: Project) -> None:
    workers = project.path / "deploy/kubernetes/base/workers.yaml"
    good = workers.read_text()
    project.make("kube-check")
    try:
        workers.write_text(good.replace("terminationGracePeriodSeconds", "terminationGracePeriod"))
        refused = project.run(*MAKE, "kube-check", check=False)
        workers.write_text(
            good.replace("- name: app\n", "- name: app\n          securityContext: {privileged: true}\n")
        )
        weakened = project.run(*MAKE, "kube-check", check=False)
    finally:
        workers.write_text(good)

    assert refused.returncode != 0
    assert "terminationGracePeriod" in refused.stdout
    assert weakened.returncode != 0
    assert "CKV_K8S_16" in weakened.stdout


def test_the_secret_of_a_trial_has_what_the_bake_wrote(project: Project, env: Path) -> None:
    secret = json.loads(project.run(project.interpreter, SECRET, "trial").stdout)
    values = secret["stringData"]

    assert (secret["kind"], secret["metadata"]["name"]) == ("Secret", "secrets")
    assert values["CELERY_BROKER_URL"] == f"redis://:{values['BROKER_PASSWORD']}@redis:6379/1"
    assert f":{values['POSTGRES_PASSWORD']}@db:5432/" in values["DATABASE_URL"]
    assert len({values[name] for name in ("DJANGO_SECRET_KEY", "SCALING_TOKEN", "METRICS_TOKEN")}) == 3
    assert "" not in values.values()


def test_production_takes_its_own_stores(project: Project, env: Path) -> None:
    change(env, **PRODUCTION)

    assert json.loads(project.run(project.interpreter, SECRET, "production").stdout)["stringData"]["EMAIL_URL"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"EMAIL_URL": ""}, "Set EMAIL_URL in .env.kubernetes."),
        ({"DJANGO_SECRET_KEY": "", "SCALING_TOKEN": ""}, "Set DJANGO_SECRET_KEY, SCALING_TOKEN in .env.kubernetes."),
        ({"DATABASE_URL": "sqlite:////data/db.sqlite3"}, "which pods can't share"),
        ({"DATABASE_URL": "postgresql://a:b@db:5432/site"}, "names the trial's database"),
    ],
)
def test_a_secret_that_can_t_work_is_refused_with_a_sentence(
    project: Project, env: Path, values: dict[str, str], reason: str
) -> None:
    change(env, **{**PRODUCTION, **values})
    done = project.run(project.interpreter, SECRET, "production", check=False)

    assert done.returncode == 1
    assert reason in done.stdout
    assert "Traceback" not in done.stdout


def test_without_its_file_a_sentence_says_so(project: Project, env: Path) -> None:
    env.unlink()
    done = project.run(project.interpreter, SECRET, "trial", check=False)

    assert (done.returncode, done.stdout) == (
        1,
        "There is no .env.kubernetes. Copy .env.kubernetes.example and fill it in.\n",
    )
