"""A worker is refused where it would get nothing to do."""

import os
import subprocess
import sys


def test_a_worker_without_a_broker_ends_with_a_sentence() -> None:
    worker = subprocess.run(
        [sys.executable, "-m", "celery", "--app", "config", "worker"],
        env={**os.environ, "CELERY_BROKER_URL": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert worker.returncode == 1
    assert worker.stderr.startswith("CELERY_BROKER_URL is empty")
    assert "Traceback" not in worker.stderr
