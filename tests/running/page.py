"""What a person sees of a running project in a browser, and the processes behind it."""

from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from tests.baking import Project
from tests.running.processes import Processes
from tests.servers import wait_until

SUPERUSER = {
    "DJANGO_SUPERUSER_USERNAME": "ada",
    "DJANGO_SUPERUSER_PASSWORD": "a long password",
    "DJANGO_SUPERUSER_EMAIL": "ada@example.com",
}


class Page(Processes):
    """What a person sees of the page, and the processes behind it."""

    def __init__(self, project: Project, browser: Chrome, folder: Path) -> None:
        super().__init__(project, folder)
        self.browser = browser

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
        """Open a page of the admin as its superuser, and wait for it: a reload meanwhile would lead to another one."""
        self.browser.get(f"http://127.0.0.1:{self.web}/{path}")
        self.browser.find_element(By.NAME, "username").send_keys(SUPERUSER["DJANGO_SUPERUSER_USERNAME"])
        self.browser.find_element(By.NAME, "password").send_keys(SUPERUSER["DJANGO_SUPERUSER_PASSWORD"])
        self.browser.find_element(By.CSS_SELECTOR, "input[type=submit]").click()
        wait_until(lambda: "/login/" not in self.browser.current_url, "the page behind the login", 60)

    def shows_after_reload(self, text: str) -> bool:
        self.browser.refresh()
        return text in self.text()

    def run_first_again(self) -> None:
        """Choose the first row of the admin's list, and the action."""
        self.browser.find_element(By.CSS_SELECTOR, "input.action-select").click()
        Select(self.browser.find_element(By.NAME, "action")).select_by_value("run_again")
        self.browser.find_element(By.CSS_SELECTOR, "button[name=index]").click()
