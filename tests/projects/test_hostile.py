"""What tests/generation/test_hostile.py holds for files, held for Django: its checks pass, its page shows the name.

One process serves all projects of a test: it imports Django and Celery once, and forks for each project.
``HYPOTHESIS_PROFILE=thorough`` draws 1,000 answer sets a test.
"""

import json
import os
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answer_validators import taken
from tests import hostile
from tests.baking import Project

Site = Callable[[Path], str]
LARGEST = {
    "broker": "redis",
    "database": "postgresql",
    "django_version": "6.0",
    "monitoring": "prometheus",
    "deployment": "kubernetes",
}
# Reads a project's folder a line; writes a line of JSON: the page, or what went wrong.
SERVER = """
import json, os, sys, traceback
import celery, django, django_celery_beat, django_celery_results, environs, psycopg
from django.core.management import call_command
from django.test import Client
sys.stdin.reconfigure(encoding="utf-8")
for line in sys.stdin:
    if os.fork() == 0:
        try:
            os.chdir(json.loads(line))
            sys.path.insert(0, os.getcwd())
            django.setup()
            call_command("check", fail_level="WARNING", stderr=sys.stderr, stdout=sys.stderr)
            answer = [True, Client(headers={"host": "localhost"}).get("/").text]
        except BaseException:
            answer = [False, traceback.format_exc()]
        print(json.dumps(answer), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def largest(installed: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with every package that any variant needs, and with the newest Django, as some files need that."""
    return installed(tmp_path_factory.mktemp("largest"), **LARGEST)


@pytest.fixture(scope="module")
def site(largest: Project) -> Iterator[Site]:
    """Run Django's checks on the project in a folder, and return its page."""
    if not hasattr(os, "fork"):
        pytest.skip("this system can't fork, and a Django for each project takes hours")
    python = largest.interpreter
    variables = {"DJANGO_SETTINGS_MODULE": "config.settings.development"}
    with subprocess.Popen(
        [python, "-c", SERVER],
        env=largest.environment | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as server:
        assert server.stdin
        assert server.stdout
        requests, answers = server.stdin, server.stdout

        def visit(folder: Path) -> str:
            print(json.dumps(str(folder)), file=requests, flush=True)
            passed, said = json.loads(answers.readline())
            assert passed, said
            return str(said)

        yield visit
        requests.close()


@given(hostile.any_answers, st.booleans())
def test_any_answers_make_a_project_that_checks_or_a_refusal(site: Site, drawn: dict[str, Any], typed: bool) -> None:
    hostile.check(drawn, typed, site)


@given(hostile.good_answers, st.booleans())
def test_odd_but_good_answers_make_a_project_that_checks(site: Site, drawn: dict[str, Any], typed: bool) -> None:
    hostile.check(drawn, typed, site, good=True)


def test_no_project_can_have_the_name_of_a_package_that_it_needs(largest: Project) -> None:
    """Packages come and go: templates/packages.txt is to name each one of a fresh lock."""
    lock = tomllib.loads((largest.path / "uv.lock").read_text(encoding="utf-8"))
    names = {package["name"].replace("-", "_") for package in lock["package"]} - {"my_project"}

    assert names - taken() == set(), "add these to templates/packages.txt"
