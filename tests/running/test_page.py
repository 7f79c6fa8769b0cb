"""Pages in a real browser: the example's, while broker, worker and web server come and go, and the admin's list of failures."""

import time
from contextlib import ExitStack

import pytest
from selenium.webdriver.common.by import By

from tests.running.page import SUPERUSER, Page
from tests.running.processes import add_tasks
from tests.servers import redis_server, wait_until

REFUSED = "The report could not be started: try again in a minute"


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
try:
    copy_note.delay("{0}/note", "{0}/copy")
except FileNotFoundError:
    pass
"""


@pytest.mark.parametrize("results", ["eager", "redis", "database"])
def test_a_failed_task_is_found_read_and_run_again(page: Page, results: str) -> None:
    """Whatever the result backend is, and in eager mode."""
    add_tasks(page.project, TASK)
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
        page.python(ENQUEUE.format(page.folder))
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
