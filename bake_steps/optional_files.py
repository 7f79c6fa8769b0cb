"""Files that only one choice of an answer has. A change of that answer removes them from the project."""

import contextlib
import json
import os
from collections.abc import Mapping
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
    "background/tests/metrics/test_worker.py",
    "deploy/monitoring/alertmanager.yml",
    "deploy/monitoring/alerts.yml",
    "deploy/monitoring/alerts_test.yml",
    "deploy/monitoring/prometheus.yml",
    "deploy/monitoring/grafana/dashboards/background-work.json",
    "deploy/monitoring/grafana/provisioning/dashboards/dashboards.yml",
    "deploy/monitoring/grafana/provisioning/datasources/prometheus.yml",
    "docs/monitoring.md",
)
KUBERNETES = (
    "deploy/kubernetes/base/beat.yaml",
    "deploy/kubernetes/base/celery.yaml",
    "deploy/kubernetes/base/deployment.yaml",
    "deploy/kubernetes/base/kustomization.yaml",
    "deploy/kubernetes/base/migrate.yaml",
    "deploy/kubernetes/base/network.yaml",
    "deploy/kubernetes/base/pod.yaml",
    "deploy/kubernetes/base/settings.env",
    "deploy/kubernetes/base/web.yaml",
    "deploy/kubernetes/base/workers.yaml",
    "deploy/kubernetes/production/ingress.yaml",
    "deploy/kubernetes/production/kustomization.yaml",
    "deploy/kubernetes/production/namespace.yaml",
    "deploy/kubernetes/production/network.yaml",
    "deploy/kubernetes/production/settings.env",
    "deploy/kubernetes/scaling/kustomization.yaml",
    "deploy/kubernetes/scaling/network.yaml",
    "deploy/kubernetes/scaling/workers.yaml",
    "deploy/kubernetes/trial/kustomization.yaml",
    "deploy/kubernetes/trial/namespace.yaml",
    "deploy/kubernetes/trial/network.yaml",
    "deploy/kubernetes/trial/settings.env",
    "deploy/kubernetes/trial/stores.yaml",
    "deploy/kubernetes/checkov.yaml",
    "deploy/kubernetes/kubernetes.mk",
    "deploy/kubernetes/secret.py",
    ".env.kubernetes.example",
    "docs/kubernetes.md",
)
MONITORING_ON_KUBERNETES = (
    "deploy/kubernetes/monitoring/alerts.yaml",
    "deploy/kubernetes/monitoring/kustomization.yaml",
    "deploy/kubernetes/monitoring/monitors.yaml",
    "deploy/kubernetes/monitoring/network.yaml",
)
# File, and the answers that it takes. The file's own name in the template has the same condition.
OPTIONAL_FILES: tuple[tuple[str, Mapping[str, object]], ...] = (
    (".devcontainer/devcontainer.json", {"devcontainer": True}),
    (".github/workflows/ci.yml", {"ci": "github"}),
    (".gitlab-ci.yml", {"ci": "gitlab"}),
    *((name, {"monitoring": "prometheus"}) for name in MONITORING),
    *((name, {"deployment": "kubernetes"}) for name in KUBERNETES),
    *((name, {"deployment": "kubernetes", "monitoring": "prometheus"}) for name in MONITORING_ON_KUBERNETES),
)


def remove_unwanted(answers: Answers, previous: Answers) -> None:
    """Remove the files that only the previous answers asked for, and their folders if those are empty then.

    A file of such a name that no bake has made belongs to the user and stays.
    """
    for name, choices in OPTIONAL_FILES:
        other = [answer for answer, choice in choices.items() if answers[answer] != choice]
        if not other:
            continue
        file = Path(name)
        made_by_a_bake = all(previous.get(answer) == choice for answer, choice in choices.items())
        if made_by_a_bake and file.exists():
            file.unlink()
            print(f"Removed {name}, because {other[0]} is now {json.dumps(answers[other[0]])}.")
        for folder in list(file.parents)[:-1]:
            with contextlib.suppress(OSError):  # it does not exist, or it is not empty
                folder.rmdir()
        top = file.parts[0]
        if made_by_a_bake and os.path.exists(top):
            print(f"Kept {top}, because it contains files of your own.")
