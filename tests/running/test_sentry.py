"""Errors and the runs of the schedule reach a server that speaks as Sentry does, and one that does not answer harms nothing."""

import gzip
import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.baking import Project
from tests.running.processes import Processes, add_tasks
from tests.servers import Process, redis_server, wait_until

Installed = Callable[..., Project]
TASKS = """

@shared_task
def fail(address: str) -> None:
    raise ValueError("on purpose")


@shared_task
def die() -> None:
    import os, signal

    os.kill(os.getpid(), signal.SIGKILL)


@shared_task(soft_time_limit=1, time_limit=2)
def hang() -> None:
    import time

    try:
        time.sleep(60)
    except Exception:
        time.sleep(60)


@shared_task(ignore_result=False)
def succeed() -> bool:
    import sys

    return "sentry_sdk" in sys.modules
"""
URL = """
urlpatterns.append(path("fail/", lambda request: 1 / 0))
"""
ENTRIES = """
from datetime import timedelta
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
minute, _ = CrontabSchedule.objects.get_or_create(
    minute="*", hour="*", day_of_week="*", day_of_month="*", month_of_year="*", timezone="Europe/Paris"
)
second, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
ago = timezone.now() - timedelta(minutes=5)
for name, arguments in (("succeed", "[]"), ("fail", '["ada@example.com"]')):
    PeriodicTask.objects.create(name=f"it.{name}s", task=f"base.tasks.{name}", crontab=minute, args=arguments, last_run_at=ago)
PeriodicTask.objects.create(name="too often", task="base.tasks.succeed", interval=second, last_run_at=ago)
"""
PERSONAL = "ada@example.com"
HEADERS = {"Referer": f"http://127.0.0.1/?{PERSONAL}", "Cookie": f"who={PERSONAL}", "X-Forwarded-For": PERSONAL}


class Endpoint:
    """Keeps the items of each envelope that it gets. https://develop.sentry.dev/sdk/foundations/transport/envelopes/"""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.text = ""
        self.delay = 0.0  # seconds until it answers
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.keep(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
                time.sleep(endpoint.delay)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def dsn(self) -> str:
        return f"http://key@127.0.0.1:{self.server.server_port}/1"

    def keep(self, envelope: bytes) -> None:
        self.text += envelope.decode(errors="replace")
        lines = envelope.split(b"\n")[1:]
        for head, body in zip(lines[::2], lines[1::2], strict=False):
            if head:
                self.items.append({"kind": json.loads(head)["type"], **json.loads(body)})

    def errors(self) -> list[str]:
        """The exception of each error, or its sentence."""
        return [
            item["exception"]["values"][-1]["type"]
            if "exception" in item
            else str(item.get("message") or item["logentry"])
            for item in list(self.items)
            if item["kind"] == "event"
        ]

    def check_ins(self, monitor: str) -> dict[str, list[str]]:
        """What was said of each run of an entry, by the check-in's id."""
        found: dict[str, list[str]] = {}
        for item in list(self.items):
            if item["kind"] == "check_in" and item["monitor_slug"] == monitor:
                found.setdefault(item["check_in_id"], []).append(item["status"])
        return found


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    own = Endpoint()
    thread = threading.Thread(target=own.server.serve_forever)
    thread.start()
    yield own
    own.server.shutdown()
    thread.join()
    own.server.server_close()


@pytest.fixture
def processes(installed: Installed, tmp_path: Path) -> Processes:
    project = installed(tmp_path / "project", broker="redis")
    add_tasks(project, TASKS)
    urls = project.path / "config/urls.py"
    urls.write_text(urls.read_text() + URL)
    project.make("migrate")
    return Processes(project, tmp_path)


@pytest.fixture(autouse=True)
def broker(processes: Processes, tmp_path: Path) -> Iterator[Process]:
    with redis_server(tmp_path, processes.broker, "redis-server") as server:
        yield server
        server.popen.send_signal(signal.SIGCONT)  # also after a test that has failed


def test_errors_and_runs_are_reported_and_nothing_personal(processes: Processes, endpoint: Endpoint) -> None:
    processes.python(ENTRIES)
    with (
        processes.server(SENTRY_DSN=endpoint.dsn),
        processes.worker(SENTRY_DSN=endpoint.dsn),
        processes.beat(SENTRY_DSN=endpoint.dsn),
    ):
        with pytest.raises(HTTPError):
            urlopen(Request(f"http://127.0.0.1:{processes.web}/fail/?who={PERSONAL}", headers=HEADERS), timeout=10)
        processes.python(f"fail.delay('{PERSONAL}'); hang.delay(); die.apply_async(retries=3)")
        wanted = {
            "ZeroDivisionError",
            "ValueError",
            "base.tasks.hang: TimeLimitExceeded",
            "base.tasks.die: WorkerLostError",
        }
        wait_until(lambda: wanted <= set(endpoint.errors()), f"{wanted}; there are {set(endpoint.errors())}", 60)
        wait_until(
            lambda: ["in_progress", "ok"] in endpoint.check_ins("it-succeeds").values(), "a run that went well", 60
        )
        wait_until(lambda: ["in_progress", "error"] in endpoint.check_ins("it-fails").values(), "a run that failed", 60)

    assert set(endpoint.errors()) == wanted
    counts = Counter(endpoint.errors())
    assert {error: counts[error] for error in wanted - {"ValueError"}} == dict.fromkeys(wanted - {"ValueError"}, 1)
    config = next(item for item in endpoint.items if item.get("monitor_slug") == "it-fails")["monitor_config"]
    assert config["schedule"] == {"type": "crontab", "value": "* * * * *"}
    assert config["timezone"] == "Europe/Paris"
    assert endpoint.check_ins("too-often") == {}
    assert PERSONAL not in endpoint.text
    assert {item["environment"] for item in endpoint.items if item["kind"] == "event"} == {"development"}


def test_what_waits_to_be_reported_is_reported_once(processes: Processes, endpoint: Endpoint) -> None:
    """A process of the pool that is replaced begins with all that its worker has in memory, also with what that is to report."""
    endpoint.delay = 1.0
    died = "base.tasks.die: WorkerLostError"
    with processes.worker(SENTRY_DSN=endpoint.dsn):
        processes.python("[die.apply_async(retries=3) for _ in range(4)]")
        wait_until(lambda: endpoint.errors().count(died) >= 4, "the processes that were lost", 60)
        endpoint.delay = 0.0
        processes.python("[fail.delay('') for _ in range(8)]")
        wait_until(lambda: endpoint.errors().count("ValueError") >= 8, "the errors", 60)

    assert Counter(endpoint.errors()) == {died: 4, "ValueError": 8}


def test_what_waits_is_reported_before_a_process_of_the_pool_is_replaced(
    processes: Processes, endpoint: Endpoint
) -> None:
    endpoint.delay = 0.5
    with processes.worker("--max-tasks-per-child", "2", SENTRY_DSN=endpoint.dsn) as worker:
        processes.python("[fail.delay('') for _ in range(8)]")
        wait_until(lambda: worker.output().count(" raised unexpected: ValueError") == 8, "the errors", 60)

    assert Counter(endpoint.errors()) == {"ValueError": 8}


def test_a_run_that_can_t_be_sent_has_not_begun(processes: Processes, endpoint: Endpoint, broker: Process) -> None:
    processes.python(ENTRIES)
    broker.popen.send_signal(signal.SIGSTOP)
    with processes.beat(SENTRY_DSN=endpoint.dsn) as beat:
        wait_until(lambda: "The broker is unreachable" in beat.output(), "the first try", 60)
        time.sleep(6)  # three more
        assert endpoint.check_ins("it-succeeds") == {}

        broker.popen.send_signal(signal.SIGCONT)
        wait_until(lambda: endpoint.check_ins("it-succeeds"), "the run", 60)


def test_personal_data_is_sent_if_that_is_asked_for(processes: Processes, endpoint: Endpoint) -> None:
    processes.environment["SENTRY_SEND_PII"] = "true"
    processes.environment["SENTRY_ENVIRONMENT"] = "trial"
    with processes.worker(SENTRY_DSN=endpoint.dsn):
        processes.python(f"fail.delay('{PERSONAL}')")
        wait_until(lambda: "ValueError" in endpoint.errors(), "the error", 60)

    assert PERSONAL in endpoint.text
    assert endpoint.items[0]["environment"] == "trial"


def test_the_course_of_a_task_is_sent_if_that_is_asked_for(processes: Processes, endpoint: Endpoint) -> None:
    processes.environment["SENTRY_TRACES_SAMPLE_RATE"] = "1"
    with processes.worker(SENTRY_DSN=endpoint.dsn):
        processes.python(f"fail.delay('{PERSONAL}'); succeed.delay()")
        wait_until(lambda: "base.tasks.succeed" in courses(endpoint), "the course of a task", 60)
        wait_until(lambda: "base.tasks.fail" in courses(endpoint), "that of one that failed", 60)

    assert endpoint.errors() == ["ValueError"]
    assert PERSONAL not in endpoint.text


def courses(endpoint: Endpoint) -> set[str]:
    return {item["transaction"] for item in list(endpoint.items) if item["kind"] == "transaction"}


@pytest.mark.parametrize("server", ["refused", "silent"])
def test_a_server_that_is_away_harms_no_task(processes: Processes, server: str) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if server == "silent":
            listening.listen()
        dsn = f"http://key@127.0.0.1:{listening.getsockname()[1]}/1"
        with processes.worker(SENTRY_DSN=dsn) as worker:
            code = "results = [succeed.delay() for _ in range(200)]\n[fail.delay('') for _ in range(20)]"
            printed = processes.python(
                f"{code}\nprint(sum(result.get(timeout=60) for result in results))", SENTRY_DSN=dsn
            )
            wait_until(lambda: worker.output().count("raised unexpected: ValueError") == 20, "the failures", 60)
            os.kill(worker.popen.pid, signal.SIGTERM)
            wait_until(lambda: worker.popen.poll() is not None, "the end of the worker", 60)

        assert printed.split()[-1] == "200"


def test_without_the_variable_the_package_is_not_imported(processes: Processes) -> None:
    with processes.worker():
        printed = processes.python("import sys\nprint('sentry_sdk' in sys.modules, succeed.delay().get(timeout=60))")

    assert printed.split()[-2:] == ["False", "False"]
