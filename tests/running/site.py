"""A browser without a screen: what a person does on the page of a running project."""

import json
import re
import threading
import time
import urllib.parse
from http.cookiejar import CookieJar
from typing import Any
from urllib.request import HTTPCookieProcessor, build_opener

from tests.servers import wait_until

POLL_SECONDS = 0.1


class Site:
    """The site that a project's web server serves on ``port``."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/"
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def get(self, path: str = "") -> str:
        """The body of a page."""
        with self.opener.open(self.url + path, timeout=60) as response:
            return str(response.read().decode())

    def answers(self) -> bool:
        """Whether the site is up."""
        try:
            return "New report" in self.get()
        except OSError:
            return False

    def send_form(self, months: int) -> tuple[str, threading.Thread]:
        """Send the report's form as the page's script does; return the task's id and the request, which still runs."""
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', self.get()))
        body = urllib.parse.urlencode({**fields, "months": months}).encode()
        request = threading.Thread(target=lambda: self.opener.open(self.url, data=body, timeout=120).close())
        request.start()
        return fields["task_id"], request

    def status(self, task_id: str) -> dict[str, Any]:
        """What the page's status URL says of a task."""
        return dict(json.loads(self.get(f"reports/{task_id}/status/")))

    def watch_report(self, months: int) -> list[dict[str, Any]]:
        """Build a report, and return each status that was seen on the way, the last one being ready."""
        task_id, request = self.send_form(months)
        seen: list[dict[str, Any]] = []

        def ready() -> bool:
            status = self.status(task_id)
            if status not in seen:
                seen.append(status)
            time.sleep(POLL_SECONDS)
            return bool(status["ready"])

        wait_until(ready, f"the end of report {task_id}")
        request.join()
        return seen
