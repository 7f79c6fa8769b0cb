"""A queue that no worker of a Compose file serves is found, in each way in which a file can name the queues."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import current_app
from kombu.entity import Queue
from pytest_django import Settings

from background.checks.queues import FILES, check_queues, served

IN_ONE_LINE = """\
services:
  celery:
    command: celery -A config worker {options} --loglevel INFO
    stop_grace_period: 30s
"""
AS_A_LIST = """\
services:
  celery:
    command:
      - celery
      - -A
      - config
      - worker
      - --queues
      - default,long

  # Another one is
  #   command: celery -A config worker --queues mail
"""
AS_A_FLOW = """\
services:
  celery:
    command: [sh, background/worker/reload.sh, --queues, "default,long", --concurrency, "2"]
"""
OF_KUBERNETES = """\
kind: Deployment
spec:
  template:
    spec:
      containers:
        - name: app
          args: {arguments}
---
"""
IN_A_FLOW = '[celery, -A, config, worker, --queues, default, --concurrency, "2"]'
BELOW_EACH_OTHER = """
            - celery
            - worker
            - --queues
            - long"""
NOT_A_WORKER = """\
services:
  web:
    command: gunicorn config.wsgi --worker-class gthread
  celery-beat:
    command: [celery, -A, config, beat, --loglevel, INFO]
"""


@pytest.fixture(autouse=True)
def queues() -> Iterator[None]:
    """The settings have three queues."""
    before = current_app.conf.task_queues
    current_app.conf.task_queues = [Queue(name) for name in ("default", "long", "mail")]
    yield
    current_app.conf.task_queues = before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (IN_ONE_LINE.format(options="--queues default,long"), {"default", "long"}),
        (IN_ONE_LINE.format(options="--queues=long"), {"long"}),
        ("".join(OF_KUBERNETES.format(arguments=each) for each in (IN_A_FLOW, BELOW_EACH_OTHER)), {"default", "long"}),
        (IN_ONE_LINE.format(options="-Q mail.slow-1"), {"mail.slow-1"}),
        (IN_ONE_LINE.format(options=""), {"default", "long", "mail"}),
        (AS_A_LIST, {"default", "long"}),
        (AS_A_FLOW, {"default", "long"}),
        (NOT_A_WORKER, set()),
    ],
)
def test_the_queues_of_the_workers_are_read(tmp_path: Path, text: str, expected: set[str]) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(text)

    assert served(file) == expected


@pytest.mark.parametrize("name", FILES)
def test_a_queue_that_no_worker_serves_is_found(tmp_path: Path, settings: Settings, name: str) -> None:
    settings.BASE_DIR = tmp_path
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(AS_A_LIST)

    (found,) = check_queues(None)
    assert found.id == "background.W014"
    assert "'mail'" in found.msg
    assert name in found.msg
    assert "--queues mail" in str(found.hint)


def test_without_compose_files_nothing_is_said(tmp_path: Path, settings: Settings) -> None:
    """An image has none."""
    settings.BASE_DIR = tmp_path

    assert check_queues(None) == []
