"""A worker whose connections to the database are ended by the server, as a restart, an idle timeout or a failover does."""

from collections.abc import Callable
from pathlib import Path

from tests.baking import Project
from tests.servers import postgresql, redis, running

Installed = Callable[..., Project]
WORKER = ["-m", "celery", "-A", "config", "worker", "--include", "database_tasks", "--concurrency", "2"]
TASKS = """
import time
from celery import shared_task

@shared_task(ignore_result=False)
def sleep(seconds):
    time.sleep(seconds)
"""
# What the main process of a worker records: tasks that have expired, were revoked, or took too long.
SEND = """
import sys, time
import django; django.setup()
from database_tasks import sleep
from config.celery import app
late = sleep.apply_async([3], time_limit=1, soft_time_limit=None)
expired = sleep.apply_async([0], expires=0.2, countdown=1)
revoked = sleep.apply_async([0], countdown=3)
time.sleep(1)
app.control.revoke(revoked.id)
end = time.monotonic() + 30
while not all(result.ready() for result in (late, expired, revoked)) and time.monotonic() < end:
    time.sleep(0.2)
print("states:", late.state, expired.state, revoked.state)
"""
END_CONNECTIONS = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()")
    print(cursor.fetchone()[0])
"""


def test_a_worker_records_states_over_a_new_connection(installed: Installed, tmp_path: Path) -> None:
    project = installed(tmp_path / "project", broker="redis", database="postgresql")
    (project.path / "database_tasks.py").write_text(TASKS)
    python = project.interpreter
    with postgresql(tmp_path) as database, redis(tmp_path) as broker:
        variables = {
            "DJANGO_SETTINGS_MODULE": "config.settings.development",
            "DATABASE_URL": f"postgresql://postgres@127.0.0.1:{database}/postgres",
            "CELERY_BROKER_URL": f"redis://127.0.0.1:{broker}/1",
            "CELERY_RESULT_BACKEND": "",
        }
        project.run(python, "manage.py", "migrate", "--verbosity", "0", check=True, **variables)
        command = [python, *WORKER, "--loglevel", "INFO"]
        environment = {**project.environment, **variables}
        with running(command, project.path, environment, tmp_path / "log") as worker:
            worker.wait_for(lambda: " ready." in worker.output(), "a worker")
            for _ in range(2):
                printed = project.run(python, "-c", SEND, check=True, **variables).stdout
                ended = int(project.python(END_CONNECTIONS, **variables))

                assert "states: FAILURE REVOKED REVOKED" in printed
                assert ended > 0
            assert worker.popen.poll() is None
