"""Files that only one choice of an answer has. A change of that answer removes them from the project."""

import contextlib
import json
import os
from pathlib import Path

from bake_steps.answers_file import Answers

MONITORING = (
    "background/metrics/__init__.py",
    "background/metrics/beat.py",
    "background/metrics/server.py",
    "background/metrics/site.py",
    "background/metrics/worker.py",
    "background/tests/metrics/__init__.py",
    "background/tests/metrics/test_site.py",
    "background/tests/metrics/test_server.py",
    "deploy/monitoring/alertmanager.yml",
    "deploy/monitoring/alerts.yml",
    "deploy/monitoring/alerts_test.yml",
    "deploy/monitoring/prometheus.yml",
    "deploy/monitoring/grafana/dashboards/background-work.json",
    "deploy/monitoring/grafana/provisioning/dashboards/dashboards.yml",
    "deploy/monitoring/grafana/provisioning/datasources/prometheus.yml",
    "docs/monitoring.md",
)
# File, answer, choice. The file's own name in the template has the same condition.
OPTIONAL_FILES = (
    (".devcontainer/devcontainer.json", "devcontainer", True),
    (".github/workflows/ci.yml", "ci", "github"),
    (".gitlab-ci.yml", "ci", "gitlab"),
    *((name, "monitoring", "prometheus") for name in MONITORING),
)


def remove_unwanted(answers: Answers, previous: Answers) -> None:
    """Remove the files that only the previous answers asked for, and their folders if those are empty then.

    A file of such a name that no bake has made belongs to the user and stays.
    """
    for name, answer, choice in OPTIONAL_FILES:
        if answers[answer] == choice:
            continue
        file = Path(name)
        made_by_a_bake = previous.get(answer) == choice
        if made_by_a_bake and file.exists():
            file.unlink()
            print(f"Removed {name}, because {answer} is now {json.dumps(answers[answer])}.")
        for folder in list(file.parents)[:-1]:
            with contextlib.suppress(OSError):  # it does not exist, or it is not empty
                folder.rmdir()
        top = file.parts[0]
        if made_by_a_bake and os.path.exists(top):
            print(f"Kept {top}, because it contains files of your own.")
