"""Kustomize renders the manifests, Kubernetes, KEDA and the Prometheus operator know all that they say, and they agree with the settings."""

import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as operator
from cloudcoil.models.prometheus_operator import v1alpha1 as operator_alpha

from tests.baking import CHOICES, clean_environment
from tests.conftest import missing

Bake = Callable[..., Path]
Manifest = dict[str, Any]
OVERLAYS = ("production", "trial")
VARIANTS = list(itertools.product(CHOICES["broker"], CHOICES["monitoring"]))
SUPPORTED = ("1.35", "1.37")  # the oldest and the newest: https://kubernetes.io/releases/
OF_OTHERS = {
    "ScaledObject": keda.ScaledObject,
    "TriggerAuthentication": keda.TriggerAuthentication,
    "PodMonitor": operator.PodMonitor,
    "PrometheusRule": operator.PrometheusRule,
    "ScrapeConfig": operator_alpha.ScrapeConfig,
}
WORKERS = {"celery": "default", "celery-long": "long"}  # and the queue of each


def program(name: str) -> str:
    return shutil.which(name, path=str(Path(sys.executable).parent)) or missing(f"{name} is not installed")


def kustomize(folder: Path) -> list[Manifest]:
    done = subprocess.run([program("kubectl"), "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return list(yaml.safe_load_all(done.stdout))


def of_kind(manifests: list[Manifest], *kinds: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] in kinds}


def templates(manifests: list[Manifest]) -> dict[str, Manifest]:
    """The pods of all Deployments and Jobs."""
    return {name: each["spec"]["template"] for name, each in of_kind(manifests, "Deployment", "Job").items()}


@pytest.fixture(params=[*itertools.product(OVERLAYS, VARIANTS)], ids=lambda p: "-".join([p[0], *p[1]]), scope="module")
def manifests(bake: Bake, request: pytest.FixtureRequest) -> list[Manifest]:
    overlay, (broker, monitoring) = request.param
    project = bake(broker=broker, monitoring=monitoring, deployment="kubernetes")
    return kustomize(project / "deploy/kubernetes" / overlay)


def validate(manifests: list[Manifest], folder: Path) -> str:
    """What the definitions of Kubernetes itself do not know."""
    file = folder / "manifests.yaml"
    file.write_text(yaml.safe_dump_all([each for each in manifests if each["kind"] not in OF_OTHERS]))
    command = [program("kubernetes-validate"), "--strict", *(f"--kubernetes-version={each}" for each in SUPPORTED)]
    done = subprocess.run([*command, file], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 and "WARN" not in done.stdout + done.stderr else done.stdout + done.stderr


def unknown_to_others(manifest: Manifest) -> str:
    """What the definitions of KEDA and of the Prometheus operator do not know."""
    model: Any = OF_OTHERS[manifest["kind"]]
    known = json.loads(model.model_validate(manifest).model_dump_json(by_alias=True, exclude_none=True))
    return "\n".join(lost(manifest, known))


def lost(given: Any, known: Any, path: str = "") -> list[str]:
    """The paths of what a model did not take over."""
    if isinstance(given, dict):
        return [
            line
            for key, value in given.items()
            for line in (lost(value, known[key], f"{path}.{key}") if key in (known or {}) else [f"{path}.{key}"])
        ]
    if isinstance(given, list):
        return [line for one, other in zip(given, known, strict=True) for line in lost(one, other, f"{path}[]")]
    return []


def test_kubernetes_knows_every_field(manifests: list[Manifest], tmp_path: Path) -> None:
    assert validate(manifests, tmp_path) == ""


def test_keda_and_the_operator_know_every_field(manifests: list[Manifest]) -> None:
    assert [unknown for each in manifests if each["kind"] in OF_OTHERS if (unknown := unknown_to_others(each))] == []


def test_a_misspelt_field_is_found(bake: Bake, tmp_path: Path) -> None:
    """A check that was called in a wrong way may find nothing in anything."""
    manifests = kustomize(bake(broker="redis", monitoring="prometheus", deployment="kubernetes") / "deploy/kubernetes/production")  # fmt: skip
    templates(manifests)["web"]["spec"]["terminationGracePeriod"] = 3
    others = {each["kind"]: each for each in manifests if each["kind"] in OF_OTHERS}
    for each in others.values():
        each["spec"]["misspelt"] = 1

    assert others.keys() == OF_OTHERS.keys()
    assert "terminationGracePeriod" in validate(manifests, tmp_path)
    assert [kind for kind, each in others.items() if not refuses(each)] == []


def refuses(manifest: Manifest) -> bool:
    try:
        return unknown_to_others(manifest) != ""
    except ValueError:
        return True


def test_no_pod_has_more_rights_than_it_needs(manifests: list[Manifest]) -> None:
    """What the level `restricted` of Pod Security asks for, and read-only file systems."""
    pods = templates(manifests)
    assert len(pods) >= 5
    for pod in (each["spec"] for each in pods.values()):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod["automountServiceAccountToken"]
        for container in pod["containers"] + pod.get("initContainers", []):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_each_deployment_of_the_project_only_looks_whether_it_is_migrated(manifests: list[Manifest]) -> None:
    own = {name: pod for name, pod in templates(manifests).items() if "is" not in pod["metadata"]["labels"]}

    assert own.keys() == {"web", "migrate", "celery-beat", *WORKERS}
    for name, pod in own.items():
        scripts = [each["command"][-1] for each in pod["spec"].get("initContainers", [])]
        assert [bool(re.search(r"migrate --check\b", script)) for script in scripts] == ([] if name == "migrate" else [True])  # fmt: skip
        assert "manage.py migrate &&" not in "".join(scripts)


def test_a_worker_has_more_time_to_stop_than_its_tasks(manifests: list[Manifest]) -> None:
    (settings,) = of_kind(manifests, "ConfigMap").values()
    soft = float(settings["data"]["CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT"])

    assert settings["data"]["REMAP_SIGTERM"] == "SIGQUIT"
    assert [templates(manifests)[name]["spec"]["terminationGracePeriodSeconds"] > soft + 20 for name in WORKERS] == [True] * 2  # fmt: skip


def test_no_secret_is_in_a_manifest(manifests: list[Manifest]) -> None:
    assert of_kind(manifests, "Secret") == {}
    assert not re.search(r"://[^/\s]+:[^/\s]+@", json.dumps(manifests))


def test_every_pod_is_told_of_the_same_settings(manifests: list[Manifest]) -> None:
    (settings,) = of_kind(manifests, "ConfigMap")
    sources = [{"configMapRef": {"name": settings}}, {"secretRef": {"name": "secrets"}}]

    for pod in templates(manifests).values():
        if "is" not in pod["metadata"]["labels"]:
            assert [each["envFrom"] for each in pod["spec"]["containers"] + pod["spec"].get("initContainers", [])] == [
                sources
            ] * (1 + len(pod["spec"].get("initContainers", [])))


def test_only_what_is_said_reaches_anything(manifests: list[Manifest]) -> None:
    policies = of_kind(manifests, "NetworkPolicy")
    everything = policies.pop("nothing-else")["spec"]
    open_to_all = [
        name for name, policy in policies.items() for rule in policy["spec"].get("ingress", []) if not rule.get("from")
    ]

    assert everything == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert open_to_all == []


@pytest.mark.parametrize("monitoring", CHOICES["monitoring"])
def test_keda_asks_for_the_queue_that_the_worker_serves(bake: Bake, monitoring: str) -> None:
    manifests = kustomize(bake(broker="redis", monitoring=monitoring, deployment="kubernetes") / "deploy/kubernetes/production")  # fmt: skip
    for name, scaled in of_kind(manifests, "ScaledObject").items():
        (trigger,) = scaled["spec"]["triggers"]
        (container,) = templates(manifests)[scaled["spec"]["scaleTargetRef"]["name"]]["spec"]["containers"]
        words = container["args"]

        assert trigger["metadata"]["url"] == "http://web.my-project.svc/scaling"
        assert trigger["metadata"]["valueLocation"] == words[words.index("--queues") + 1] == WORKERS[name]
        assert "replicas" not in of_kind(manifests, "Deployment")[name]["spec"]
    assert of_kind(manifests, "ScaledObject").keys() == WORKERS.keys()


def test_the_first_host_name_is_said_once(bake: Bake, tmp_path: Path) -> None:
    copy = shutil.copytree(bake(deployment="kubernetes"), tmp_path / "project")
    settings = copy / "deploy/kubernetes/production/settings.env"
    settings.write_text(settings.read_text().replace("=example.com", "=shop.example.org,www.example.org"))
    manifests = kustomize(settings.parent)
    (container,) = templates(manifests)["web"]["spec"]["containers"]
    (rule,) = of_kind(manifests, "Ingress")["web"]["spec"]["rules"]

    assert container["readinessProbe"]["httpGet"]["httpHeaders"] == [{"name": "Host", "value": "shop.example.org"}]
    assert rule["host"] == "shop.example.org"


@pytest.mark.parametrize("slug", ["null", "off", "a__b"])
def test_a_slug_stays_text(bake: Bake, slug: str) -> None:
    manifests = kustomize(bake(project_slug=slug, deployment="kubernetes") / "deploy/kubernetes/production")

    assert {each["metadata"].get("namespace") for each in manifests} == {None, slug.replace("_", "-")}
    assert of_kind(manifests, "Namespace").keys() == {slug.replace("_", "-")}


def test_the_operator_reads_the_alerts_of_the_other_file(bake: Bake) -> None:
    project = bake(monitoring="prometheus", deployment="kubernetes")
    (rule,) = of_kind(kustomize(project / "deploy/kubernetes/production"), "PrometheusRule").values()

    assert rule["spec"] == yaml.safe_load((project / "deploy/monitoring/alerts.yml").read_text())


def kubectl_that_writes(folder: Path) -> Path:
    """A kubectl that does nothing and writes down what it was told."""
    script = folder / "kubectl"
    script.write_text(f'#!/bin/sh\necho "$*" >> {folder}/told\n')
    script.chmod(0o755)
    return script


@pytest.mark.parametrize(("overlay", "namespace"), [("trial", "my-project-trial"), ("production", "my-project")])
def test_a_deployment_migrates_first_and_waits_for_all_that_runs(
    bake: Bake, tmp_path: Path, overlay: str, namespace: str
) -> None:
    project = bake(deployment="kubernetes")
    manifests = kustomize(project / "deploy/kubernetes" / overlay)
    own = {name for name, pod in templates(manifests).items() if "is" not in pod["metadata"]["labels"]} - {"migrate"}
    command = ["make", "kube-deploy", f"OVERLAY={overlay}", f"KUBECTL={kubectl_that_writes(tmp_path)}"]
    subprocess.run(command, cwd=project, env=clean_environment(), check=True, capture_output=True)
    told = (tmp_path / "told").read_text().splitlines()

    assert [line.split()[0] for line in told] == ["delete", "apply", "wait"] + ["rollout"] * len(own)
    assert {word.removeprefix("deployment/") for line in told[3:] for word in line.split() if "/" in word} == own
    assert {line.split("--namespace ")[1].split()[0] for line in told if "--namespace" in line} == {namespace}
    assert of_kind(manifests, "Namespace").keys() == {namespace}
