"""Work for a site in production: requests through its proxy, and tasks from a container of its own, at a steady pace."""

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlencode

from tests.containers.stack import Stack
from tests.servers import Process, running

A_MINUTE = 200  # requests, and as many tasks
# Creates users and enqueues the welcome mail until it is told to stop. What is refused is tried again, as a person
# would.
SENDER = """
import itertools, pathlib, time
import django
django.setup()
from django.db import DatabaseError, InterfaceError, connection
from background.task import BrokerUnavailableError
from base.tasks import send_welcome_mail
from users.models import User

def until_taken(action):
    while True:
        try:
            return action()
        except (DatabaseError, InterfaceError, BrokerUnavailableError) as error:
            print("refused:", type(error).__name__, flush=True)
            connection.close()
            time.sleep(0.5)

def user(name):
    # Without an address nothing is enqueued by the user's creation itself.
    one, _ = User.objects.get_or_create(username=name)
    User.objects.filter(pk=one.pk).update(email=f"{name}@example.com")
    return one.pk

start = time.monotonic()
for number in itertools.count():
    if pathlib.Path("/tmp/stop").exists():
        break
    pk = until_taken(lambda: user(f"load{number}"))
    until_taken(lambda: send_welcome_mail.delay(pk))
    print("sent", pk, flush=True)
    time.sleep(max(0.0, start + (number + 1) * 60 / A_MINUTE - time.monotonic()))
print("end", flush=True)
""".replace("A_MINUTE", str(A_MINUTE))
SENT = (
    "from users.models import User; print(User.objects.filter(username__startswith='load').exclude(email='').count())"
)
DONE = "from base.models import WelcomeMail; print(WelcomeMail.objects.exclude(sent_at=None).count())"


class Requests:
    """Requests of the page and, each fourth, of its form, by people of whom none waits for the others."""

    def __init__(self, own: Stack) -> None:
        self.site = own.secure_site
        self.answered, self.slowest = 0, 0.0
        self.failed: list[str] = []
        self.reports: list[str] = []
        self.stopped = threading.Event()

    def one(self, number: int) -> None:
        """Open the page or send its form, and note how that went."""
        start = time.monotonic()
        try:
            page = self.site.get()
            assert "New report" in page
            if number % 4 == 0:
                fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', page))
                body = urlencode({**fields, "months": 1}).encode()
                with self.site.opener.open(self.site.url, data=body, timeout=90) as answer:
                    assert fields["task_id"] in answer.url
                self.reports.append(fields["task_id"])
        except Exception as error:
            self.failed.append(f"{time.strftime('%X')} {error!r}")
        else:
            self.answered += 1
        self.slowest = max(self.slowest, time.monotonic() - start)

    def run(self) -> None:
        """Begin a request at each beat, until ``stopped``."""
        with ThreadPoolExecutor(64) as people:
            start = time.monotonic()
            for number in range(100_000):
                if self.stopped.wait(max(0.0, start + number * 60 / A_MINUTE - time.monotonic())):
                    break
                people.submit(self.one, number)


@contextmanager
def requests(own: Stack) -> Iterator[Requests]:
    """Requests for as long as this lasts, and until the last of them is answered."""
    load = Requests(own)
    thread = threading.Thread(target=load.run)
    thread.start()
    try:
        yield load
    finally:
        load.stopped.set()
        thread.join()


@contextmanager
def tasks(own: Stack) -> Iterator[Process]:
    """Tasks for as long as this lasts, from a container that no deployment replaces; at the end all are enqueued."""
    name = f"{own.name}-sender"
    options = ("run", "--rm", "--no-deps", "--no-TTY", "--name", name, "migrate", "python", "-c", SENDER)
    log = own.project.path.parent / "sender.log"
    command = ["docker", "compose", *own.files, *options]
    with running(command, own.project.path, own.project.environment, log) as sender:
        sender.wait_for(lambda: "sent" in sender.output(), "the first task")
        try:
            yield sender
        finally:
            own.project.run("docker", "exec", name, "touch", "/tmp/stop", check=False)
            sender.wait_for(lambda: sender.popen.poll() is not None, "the end of the sender")
    assert sender.output().strip().endswith("end"), sender.output()[-2000:]
