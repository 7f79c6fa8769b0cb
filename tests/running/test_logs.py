"""One id joins the lines of a request and of all that it causes, and each line of production is a JSON object."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.baking import Project
from tests.running.processes import PRODUCTION, Processes, add_tasks
from tests.servers import Process, redis_server, wait_until

Installed = Callable[..., Project]
TASKS = """

@shared_task(bind=True)
def parent(self: Task, folder: str) -> None:
    logger.info("the parent runs")
    if self.request.retries == 0:
        child.delay()
        raise self.retry(countdown=0.1)


@shared_task
def child() -> None:
    logger.info("the child runs")


@shared_task
def from_outbox() -> None:
    import structlog

    structlog.get_logger("base").info("it came late", by="outbox")


@shared_task(bind=True)
def dies_once(self: Task, folder: str) -> None:
    import os, signal
    from pathlib import Path

    if not Path(folder, "died").exists():
        Path(folder, "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    logger.info("it lives")


@shared_task
def hangs_once(folder: str) -> None:
    from pathlib import Path

    if not Path(folder, "hung").exists():
        Path(folder, "hung").touch()
        time.sleep(60)
    logger.info("it goes on")
"""
URLS = """

def cause(request):
    from pathlib import Path
    from django.db import transaction
    from django.http import HttpResponse
    from base import tasks

    folder = str(Path(request.GET["folder"]))
    tasks.parent.delay(folder)
    tasks.dies_once.delay(folder)
    tasks.hangs_once.delay(folder)
    with transaction.atomic():
        tasks.from_outbox.delay_in_transaction()
    return HttpResponse("done")


urlpatterns += [path("cause/", cause), path("fail/", lambda request: 1 / 0)]
"""
HTTPS = {"X-Forwarded-Proto": "https"}  # as the proxy says
SECRET = "swordfish"


@pytest.fixture
def processes(installed: Installed, tmp_path: Path) -> Iterator[Processes]:
    project = installed(tmp_path / "project", broker="redis")
    add_tasks(project, TASKS)
    urls = project.path / "config/urls.py"
    urls.write_text(urls.read_text() + URLS)
    project.make("migrate")
    own = Processes(project, tmp_path)
    with redis_server(tmp_path, own.broker, "redis-server"):
        yield own


def gunicorn(processes: Processes) -> Any:
    address = f"127.0.0.1:{processes.web}"
    return processes.process("web", "-m", "gunicorn", "config.wsgi", "--bind", address, "--no-control-socket")


def get(processes: Processes, path: str) -> Any:
    return urlopen(Request(f"http://127.0.0.1:{processes.web}/{path}", headers=HTTPS), timeout=30)


def lines(*logs: Process) -> list[dict[str, Any]]:
    """The lines of these processes. Each is a JSON object."""
    return [json.loads(line) for log in logs for line in log.output().splitlines()]


def test_a_request_s_id_is_in_every_line_that_it_caused(processes: Processes) -> None:
    processes.environment |= PRODUCTION
    with ExitStack() as stack:
        web = stack.enter_context(gunicorn(processes))
        wait_until(lambda: "Listening at" in web.output(), "the web server")
        beat = stack.enter_context(processes.beat())
        first = stack.enter_context(processes.worker("--hostname", "first"))
        with get(processes, f"cause/?folder={processes.folder}&password={SECRET}") as answer:
            request_id = answer.headers["X-Request-ID"]
        wait_until(lambda: "it lives" in first.output(), "the task whose process was lost", 60)
        wait_until((processes.folder / "hung").exists, "the task that hangs", 60)
        wait_until(lambda: "it came late" in first.output(), "the task from the outbox", 60)
        wait_until(lambda: first.output().count("the parent runs") == 2, "the retry", 60)
        os.kill(first.popen.pid, signal.SIGQUIT)  # softly, so that its message goes back
        wait_until(lambda: first.popen.poll() is not None, "the end of the first worker", 60)
        second = stack.enter_context(processes.worker("--hostname", "second"))
        wait_until(lambda: "it goes on" in second.output(), "the task that hung", 60)
        with pytest.raises(HTTPError):
            get(processes, f"fail/?password={SECRET}")
        get(processes, "health/web/").close()

    every = lines(web, beat, first, second)
    own = [line for line in every if line.get("request_id") == request_id]
    said = {
        "request_finished": 1,
        "the parent runs": 2,
        "the child runs": 1,
        "it lives": 1,
        "it goes on": 1,
        "it came late": 1,
    }
    assert {event: sum(line["event"] == event for line in own) for event in said} == said
    finished = next(line for line in own if line["event"] == "request_finished")
    assert (finished["request"], finished["code"]) == ("GET /cause/", 200)
    assert finished["duration_ms"] >= 0
    # What the main processes of the workers say is among it.
    again = [line["event"] for line in own if "runs again" in line["event"]]
    assert any("parent" in event and "(a retry)" in event for event in again)
    assert any("hangs_once" in event and "redelivered" in event for event in again)
    assert [line for line in own if "dies_once" in line["event"] and "signal 9" in line["event"] + str(line)]
    ids = {line["event"]: line["task_id"] for line in own if line["event"] in ("the parent runs", "the child runs")}
    child = next(line for line in own if line["event"] == "the child runs")
    assert child["parent_task_id"] == ids["the parent runs"] != child["task_id"]
    assert next(line for line in own if line["event"] == "it came late")["by"] == "outbox"
    ends = [line for line in every if " succeeded in " in line["event"]]
    assert ends
    assert all(line["request_id"] == request_id for line in ends)
    # An error in a view has its traceback once, and the id of its own request.
    (error,) = [line for line in every if "exception" in line and line["logger"] == "django.request"]
    assert "ZeroDivisionError" in error["exception"]
    assert error["request_id"] not in ("", request_id)
    assert all({"event", "level", "logger", "timestamp"} <= line.keys() for line in every)
    assert SECRET not in web.output()


def test_development_s_lines_are_readable(processes: Processes) -> None:
    with processes.server() as web, processes.worker() as worker:
        with get(processes, f"cause/?folder={processes.folder}") as answer:
            request_id = answer.headers["X-Request-ID"]
        wait_until(lambda: "the child runs" in worker.output(), "the child", 60)
        wait_until(lambda: "request_finished" in web.output(), "the request's line", 60)
        with pytest.raises(HTTPError):
            get(processes, "fail/")

    line = next(line for line in worker.output().splitlines() if "the child runs" in line)
    assert f"request_id={request_id}" in line
    assert not line.startswith("{")
    assert web.output().count("GET /cause/") == 1
    assert web.output().count("ZeroDivisionError: division by zero") == 1
