# /// script
# requires-python = ">=3.11"
# dependencies = ["pillow>=12"]
# ///
"""Make the pictures of the template's README from a baked project that really runs.

    uv run docs/images/make.py

It bakes a project with Redis, starts the broker, a worker, beat and the web server on free ports of loopback, and lets
a headless Chromium look at three pages. It needs uv, redis-server and Chromium.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from PIL import Image

IMAGES = Path(__file__).parent
TEMPLATE = IMAGES.parents[1]
COLOURS = 48  # enough for a page without photographs, and a quarter of the bytes
PATIENCE = 120.0  # seconds

# The development settings, with a visitor of the admin who is logged in.
SETTINGS = """
from config.settings.development import *
from django.contrib import admin
from django.contrib.auth import get_user_model

MIDDLEWARE = [*MIDDLEWARE, "pictures.log_in"]


def log_in(get_response):
    def answer(request):
        if request.path.startswith("/admin/"):
            request.user = get_user_model().objects.get(username="ada")
            admin.site.enable_nav_sidebar = False  # room for the list
        return get_response(request)

    return answer
"""

# Users to count, an administrator, and an entry that she has changed.
CONTENT = """
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

User = get_user_model()
now = timezone.now()
User.objects.bulk_create(
    User(username=f"user{number}", date_joined=now - timedelta(days=number * number % 360)) for number in range(400)
)
User.objects.create_superuser("ada")
entry = PeriodicTask.objects.get(name="delete-old-records")
entry.interval, _ = IntervalSchedule.objects.get_or_create(every=30, period="seconds")
entry.save()
"""

# An hour of a queue, and tasks of which some run, some wait and two fail.
WORK = """
from datetime import timedelta
from math import sin
from django.utils import timezone
from background.models import QueueLength
from base.tasks import build_report

now = timezone.now()
for minute in range(60):
    for queue, most in (("default", 12), ("long", 40)):
        waiting = max(0, round(most * sin(minute / 9) * sin(minute / 4)))
        QueueLength.objects.create(queue=queue, at=now - timedelta(minutes=60 - minute), waiting=waiting)
for months in ("twelve", "six"):
    build_report.delay(months=months)
for number in range(9):
    build_report.delay(months=12, pause=2)
"""


def chromium() -> str:
    """The browser of this machine."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return found or sys.exit("Install Chromium: it takes the pictures.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"Not within {PATIENCE:.0f} s: {what}")
        time.sleep(0.2)


@contextmanager
def running(*command: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Run a command until the block ends."""
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def take(url: str, file: Path, width: int, height: int, *more: str) -> None:
    """Let the browser load the page, and keep what it shows, in pixels, in few colours."""
    with tempfile.TemporaryDirectory() as profile:
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--hide-scrollbars",
        ]
        options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        options += [f"--user-data-dir={profile}", f"--window-size={width},{height}", f"--screenshot={file}"]
        subprocess.run([chromium(), *options, *more, url], check=True, timeout=PATIENCE, capture_output=True)
    with Image.open(file) as picture:
        picture.convert("RGB").quantize(COLOURS).save(file, optimize=True)
    print(f"{file.relative_to(TEMPLATE)}: {file.stat().st_size // 1024} KB")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        broker, web = free_port(), free_port()
        environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"} | {
            "BAKE_GIT_INIT": "0",
            "CELERY_BROKER_URL": f"redis://127.0.0.1:{broker}/1",
            "CELERY_RESULT_BACKEND": f"redis://127.0.0.1:{broker}/2",
            "DJANGO_SETTINGS_MODULE": "pictures",
            "PYTHONPATH": ".",
        }
        answers = ["project_name=Tide Tables", "broker=redis"]
        bake = [
            "uvx",
            "cookiecutter",
            str(TEMPLATE),
            "--no-input",
            "--default-config",
            "--output-dir",
            folder,
            *answers,
        ]
        subprocess.run(bake, env=environment, check=True)
        project = Path(folder) / "tide_tables"
        (project / "pictures.py").write_text(SETTINGS)

        def python(code: str) -> str:
            command = ["uv", "run", "manage.py", "shell", "--verbosity", "0", "-c", code]
            return subprocess.run(
                command, cwd=project, env=environment, check=True, capture_output=True, text=True
            ).stdout

        def start(*command: str) -> None:
            stack.enter_context(running(*command, folder=project, environment=environment))

        subprocess.run(["uv", "sync", "--quiet"], cwd=project, env=environment, check=True)
        start("redis-server", "--port", str(broker), "--bind", "127.0.0.1", "--save", "")
        for action in (["migrate", "--verbosity", "0"], ["schedule", "seed"]):
            subprocess.run([".venv/bin/python", "manage.py", *action], cwd=project, env=environment, check=True)
        python(CONTENT)
        start(".venv/bin/celery", "-A", "config", "worker", "--queues", "default,long", "--loglevel", "WARNING")
        start(".venv/bin/celery", "-A", "config", "beat", "--pidfile=", "--loglevel", "WARNING")
        start(".venv/bin/python", "manage.py", "runserver", "--noreload", f"127.0.0.1:{web}")

        ran = 'from django_celery_beat.models import PeriodicTask as P; print(P.objects.exclude(last_run_at=None).count() or "")'
        wait_until(lambda: python(ran).strip(), "beat has sent an entry")
        take(f"http://127.0.0.1:{web}/admin/django_celery_beat/periodictask/", IMAGES / "schedule.png", 1460, 680)

        task_id = str(uuid.uuid4())
        report = "from base.tasks import build_report; "
        python(f'{report}build_report.apply_async(kwargs={{"months": 12, "pause": 3}}, task_id="{task_id}")')
        done = f'{report}info = build_report.AsyncResult("{task_id}").info; print("yes" if info and info["done"] >= 6 else "")'
        wait_until(lambda: python(done).strip(), "the report is half done")
        take(f"http://127.0.0.1:{web}/reports/{task_id}/", IMAGES / "report.png", 720, 260)

        python(WORK)
        failed = 'from background.models import FailedTask as F; print("yes" if F.objects.count() > 1 else "")'
        wait_until(lambda: python(failed).strip(), "two tasks have failed")
        overview = f"http://127.0.0.1:{web}/admin/background/overview/"
        take(overview, IMAGES / "overview.png", 1060, 1090)
        take(overview, IMAGES / "overview-dark.png", 1060, 1090, "--force-dark-mode")


if __name__ == "__main__":
    main()
