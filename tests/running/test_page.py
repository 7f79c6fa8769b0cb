"""Pages in a real browser: the example's, while broker, worker and web server come and go, and the admin's list of failures."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from tests.baking import Project
from tests.running.browser import chromium
from tests.running.site import Site
from tests.servers import Process, free_port, redis_server, running, wait_until

Installed = Callable[..., Project]
REFUSED = "The report could not be started: try again in a minute"
SUPERUSER = {
    "DJANGO_SUPERUSER_USERNAME": "ada",
    "DJANGO_SUPERUSER_PASSWORD": "a long password",
    "DJANGO_SUPERUSER_EMAIL": "ada@example.com",
}
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

    def log_in(self, path: str) -> None:
        """Open a page of the admin as its superuser."""
        self.browser.get(f"http://127.0.0.1:{self.web}/{path}")
        self.browser.find_element(By.NAME, "username").send_keys(SUPERUSER["DJANGO_SUPERUSER_USERNAME"])
        self.browser.find_element(By.NAME, "password").send_keys(SUPERUSER["DJANGO_SUPERUSER_PASSWORD"])
        self.browser.find_element(By.CSS_SELECTOR, "input[type=submit]").click()

    def shows_after_reload(self, text: str) -> bool:
        self.browser.refresh()
        return text in self.text()

    def run_first_again(self) -> None:
        """Choose the first row of the admin's list, and the action."""
        self.browser.find_element(By.CSS_SELECTOR, "input.action-select").click()
        Select(self.browser.find_element(By.NAME, "action")).select_by_value("run_again")
        self.browser.find_element(By.CSS_SELECTOR, "button[name=index]").click()


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


# A task that fails until its file is there.
TASK = """

@shared_task(ignore_result=False)
def copy_note(source: str, target: str) -> None:
    from pathlib import Path

    Path(target).write_text(Path(source).read_text())
"""
ENQUEUE = """
from base.tasks import copy_note
try:
    copy_note.delay("{0}/note", "{0}/copy")
except FileNotFoundError:
    pass
"""


@pytest.mark.parametrize("results", ["eager", "redis", "database"])
def test_a_failed_task_is_found_read_and_run_again(page: Page, results: str) -> None:
    """Whatever the result backend is, and in eager mode."""
    tasks = page.project.path / "base/tasks.py"
    tasks.write_text(tasks.read_text() + TASK)
    if results != "redis":
        page.environment["CELERY_RESULT_BACKEND"] = ""
    if results == "eager":
        page.environment["CELERY_BROKER_URL"] = ""
    page.project.run(page.project.interpreter, "manage.py", "createsuperuser", "--noinput", check=True, **SUPERUSER)
    with ExitStack() as stack:
        if results != "eager":
            stack.enter_context(redis_server(page.folder, page.broker, "redis-server"))
            stack.enter_context(page.worker())
        stack.enter_context(page.server())
        page.project.python(ENQUEUE.format(page.folder), **page.environment)
        page.log_in("admin/background/failedtask/")
        wait_until(lambda: page.shows_after_reload("base.tasks.copy_note"), "the failed task", 60)

        assert "FileNotFoundError" in page.text()

        page.browser.find_element(By.CSS_SELECTOR, "#result_list tbody th a").click()
        page.says("Traceback (most recent call last)")
        page.says(f'[["{page.folder}/note", "{page.folder}/copy"], {{}}]')

        (page.folder / "note").write_text("read and copied")
        page.browser.back()
        page.run_first_again()
        page.says("Run again: 1.")
        wait_until((page.folder / "copy").exists, "the copy", 60)
        page.run_first_again()
        page.says("it was run again already")
