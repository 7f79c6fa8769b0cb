"""*Background work* in the admin, in a real browser, while a queue grows, workers die and the leader changes."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from selenium.webdriver.common.by import By

from tests.running.page import SUPERUSER, Page
from tests.running.processes import add_tasks
from tests.servers import Process, rabbitmq_node, redis_server, wait_until

# A task that takes until its file is there.
TASK = """

@shared_task
def wait_for_file(path: str) -> None:
    import time
    from pathlib import Path

    while not Path(path).exists():
        time.sleep(0.1)
"""
ENQUEUE = """
for number in range(3):
    wait_for_file.delay("{}/end")
"""
# The text of a cell of the first table.
CELL = """
const row = [...document.querySelectorAll("#overview tbody tr")].find(row => row.cells[0].innerText === arguments[0]);
return row ? row.cells[arguments[1]].innerText : "";
"""
WAITING, TAKEN = 1, 3


class Overview:
    """The page, and how long a change takes until a person sees it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def cell(self, queue: str, column: int) -> str:
        return str(self.page.browser.execute_script(CELL, queue, column))

    def first_id(self) -> str:
        """The id of the first task that runs."""
        script = "const id = document.querySelector('#overview .id'); return id ? id.innerText : ''"
        return str(self.page.browser.execute_script(script))

    def shows(self, what: str, condition: Callable[[], object]) -> None:
        """Wait until the page shows a change, which it does by itself, and print how long that took."""
        begin = time.monotonic()
        wait_until(condition, f"that the page shows: {what}", 60)
        print(f"{what}: seen after {time.monotonic() - begin:.1f} s")

    def says(self, sentence: str) -> None:
        self.shows(sentence, lambda: sentence in self.page.text())

    def do(self, link: str) -> None:
        """Follow a link to an action, and say yes. The page may be renewed between the look for a link and the click."""
        self.page.browser.execute_script(
            "[...document.querySelectorAll('#overview a')].find(a => a.innerText === arguments[0]).click()", link
        )
        wait_until(lambda: "No, go back" in self.page.text(), "the question", 60)
        self.page.browser.find_element(By.CSS_SELECTOR, "#content input[type=submit]").click()


@pytest.fixture(params=["redis", "rabbitmq"])
def overview(request: pytest.FixtureRequest, page: Page) -> Iterator[Overview]:
    """The page of a site with a broker, as its superuser sees it."""
    add_tasks(page.project, TASK)
    page.project.run(page.project.interpreter, "manage.py", "createsuperuser", "--noinput", check=True, **SUPERUSER)
    with ExitStack() as stack:
        if request.param == "redis":
            stack.enter_context(redis_server(page.folder, page.broker, "redis-server"))
        else:
            page.use_rabbitmq()
            stack.enter_context(rabbitmq_node(page.folder, page.broker, "ada", "secret"))
        stack.enter_context(page.server())
        page.log_in("admin/background/overview/")
        page.says("Background work")
        yield Overview(page)


@contextmanager
def two_beats(page: Page) -> Iterator[dict[int, Process]]:
    """Two beats, by their process's id."""
    with page.beat() as first, page.beat() as second:
        yield {beat.popen.pid: beat for beat in (first, second)}


def kill(process: Process) -> None:
    os.killpg(process.popen.pid, signal.SIGKILL)


def test_each_change_is_seen(overview: Overview) -> None:
    page = overview.page
    overview.says("No worker has been seen for ten minutes.")
    page.python(ENQUEUE.format(page.folder))
    overview.shows("the queue grows", lambda: overview.cell("default", WAITING) == "3")

    with page.worker("--concurrency", "1") as worker:
        overview.says("1 of 1 processes at work")
        overview.shows("what is taken", lambda: overview.cell("default", TAKEN) in {"1", "2"})

        assert "base.tasks.wait_for_file" in page.text()

        cancelled = overview.first_id()
        overview.do("Cancel")
        overview.says("Cancelled base.tasks.wait_for_file")
        overview.shows("the next task", lambda: overview.first_id() not in {"", cancelled})
        kill(worker)
        overview.says("no sign of life")

    with page.worker("--concurrency", "1") as worker:
        overview.shows("the worker is back", lambda: "no sign of life" not in page.text())
        overview.says("ready, seen")
        overview.do("Stop softly")
        overview.says("Asked celery@")
        wait_until(lambda: worker.popen.poll() is not None, "the end of the worker", 60)
        overview.says("No worker has been seen for ten minutes.")

    with two_beats(page) as beats:
        overview.says("stands by")
        leader = next(pid for pid in beats if f":{pid}:" in page.text().partition(" leads since")[0])
        kill(beats.pop(leader))
        (other,) = beats
        overview.shows("the other leads", lambda: f":{other}:" in page.text().partition(" leads since")[0][-60:])
