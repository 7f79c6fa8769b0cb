"""The example's page in a real browser, while broker, worker and web server come and go."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.baking import Project
from tests.running.browser import chromium
from tests.running.site import Site
from tests.servers import Process, free_port, redis_server, running, wait_until

Installed = Callable[..., Project]
REFUSED = "The report could not be started: try again in a minute"
WORKER = ["-m", "celery", "-A", "config", "worker", "--queues", "default,long", "--concurrency", "1"]


class Page:
    """What a person sees of the page, and the processes behind it."""

    def __init__(self, project: Project, browser: Chrome, folder: Path) -> None:
        self.project, self.browser, self.folder = project, browser, folder
        self.web, self.broker = free_port(), free_port()
        url = f"redis://127.0.0.1:{self.broker}"
        self.environment = {
            **project.environment,
            "DJANGO_SETTINGS_MODULE": "config.settings.development",
            "CELERY_BROKER_URL": f"{url}/1",
            "CELERY_RESULT_BACKEND": f"{url}/2",
        }

    @contextmanager
    def server(self) -> Iterator[Process]:
        """Start the web server."""
        command = [self.project.interpreter, "manage.py", "runserver", "--noreload", str(self.web)]
        with running(command, self.project.path, self.environment, self.folder / "web.log") as web:
            web.wait_for(Site(self.web).answers, "the site")
            yield web

    @contextmanager
    def worker(self) -> Iterator[Process]:
        command = [self.project.interpreter, *WORKER]
        with running(command, self.project.path, self.environment, self.folder / "worker.log") as worker:
            yield worker

    def send_form(self) -> None:
        months = self.browser.find_element(By.NAME, "months")
        months.clear()
        months.send_keys("1")
        self.button().click()

    def button(self) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, "#report-form button")

    def text(self) -> str:
        """In one step: the page may be replaced between the look for an element and the question for its text."""
        return str(self.browser.execute_script("return document.body ? document.body.innerText : ''"))

    def is_the_report_s(self) -> bool:
        """Whether the browser has left the form, and has loaded the report's page with its script."""
        loaded = self.browser.execute_script("return document.readyState === 'complete'")
        return bool(loaded) and "/reports/" in self.browser.current_url

    def says(self, sentence: str) -> None:
        """Wait until the page shows this."""
        wait_until(lambda: sentence in self.text(), f"that the page says: {sentence}", 60)


@pytest.fixture
def page(installed: Installed, tmp_path: Path) -> Iterator[Page]:
    project = installed(tmp_path / "project", broker="redis")
    project.make("migrate")
    with chromium(tmp_path) as browser:
        yield Page(project, browser, tmp_path)


def test_the_page_says_what_is_away_and_goes_on_when_it_is_back(page: Page) -> None:
    with page.server() as web:
        page.browser.get(f"http://127.0.0.1:{page.web}/")
        page.send_form()
        page.says(REFUSED)
        time.sleep(1)  # for three more looks, if any came

        assert REFUSED in page.text()
        assert page.button().is_enabled()

        with redis_server(page.folder, page.broker, "redis-server"):
            page.send_form()
            wait_until(page.is_the_report_s, "the report's page", 60)
            page.says("No worker serves the queue of reports")
            web.stop()
            page.says("The server does not respond. Trying again")
            with page.server(), page.worker():
                page.says("In all")
