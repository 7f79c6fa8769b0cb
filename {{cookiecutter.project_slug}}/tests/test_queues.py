"""Each queue of the settings has a worker, and each worker's queue is in the settings."""

import pytest
from django.conf import settings

from background.checks.queues import FILES, served
from background.registry import declared_queues


@pytest.mark.parametrize("file", [file for file in FILES if (settings.BASE_DIR / file).exists()])
def test_the_workers_of_each_deployment_serve_the_queues_of_the_settings(file: str) -> None:
    assert served(settings.BASE_DIR / file) == declared_queues()
