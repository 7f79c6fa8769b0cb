"""A browser without a window: Chromium or Chrome, driven by Selenium."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.servers import program

SWITCHES = [
    "--headless=new",
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",  # in containers it is small
    "--no-first-run",
    "--disable-background-networking",  # it asks its maker's servers for updates
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium(folder: Path, width: int = 1280, height: int = 900) -> Iterator[Chrome]:
    """A Chromium with a new profile in ``folder``, and a window of this size in pixels."""
    options = ChromeOptions()
    options.binary_location = program("google-chrome" if shutil.which("google-chrome") else "chromium")
    for switch in (*SWITCHES, f"--window-size={width},{height}", f"--user-data-dir={folder / 'chromium'}"):
        options.add_argument(switch)
    driver = Chrome(options, Service(program("chromedriver", "usr/lib/chromium*")))
    try:
        yield driver
    finally:
        driver.quit()
