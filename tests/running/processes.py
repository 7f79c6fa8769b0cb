"""A project with a broker, and its processes, as a developer starts them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.baking import Project
from tests.running.site import Site
from tests.servers import Process, free_port, running

# What makes it a site in production.
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "DJANGO_SECRET_KEY": "a secret of this test alone, and long enough for all",
    "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
    "EMAIL_URL": "smtp://127.0.0.1:1",
}


class Processes:
    """The processes of one project. Its broker listens at the port ``broker``, its web server at ``web``.

    A test starts the broker itself. It changes ``environment`` before it starts what shall have another one.
    """

    def __init__(self, project: Project, folder: Path) -> None:
        self.project, self.folder = project, folder
        self.web, self.broker = free_port(), free_port()
        url = f"redis://127.0.0.1:{self.broker}"
        self.environment = {
            **project.environment,
            "DJANGO_SETTINGS_MODULE": "config.settings.development",
            "CELERY_BROKER_URL": f"{url}/1",
            "CELERY_RESULT_BACKEND": f"{url}/2",
        }

    def use_rabbitmq(self) -> None:
        """Take RabbitMQ, and results in the database."""
        self.environment["CELERY_BROKER_URL"] = f"amqp://ada:secret@127.0.0.1:{self.broker}/ada"
        self.environment["CELERY_RESULT_BACKEND"] = ""

    @contextmanager
    def process(self, name: str, *arguments: str, **variables: str) -> Iterator[Process]:
        """Run the project's Python with these arguments. Its log is a file of its own."""
        log = self.folder / f"{name}-{free_port()}.log"
        command = [self.project.interpreter, *arguments]
        with running(command, self.project.path, {**self.environment, **variables}, log) as process:
            yield process

    @contextmanager
    def server(self, **variables: str) -> Iterator[Process]:
        """Start the web server, and wait for it."""
        command = ("manage.py", "runserver", "--noreload", str(self.web))
        with self.process("web", *command, **variables) as web:
            web.wait_for(Site(self.web).answers, "the site")
            yield web

    def worker(self, *arguments: str, **variables: str) -> Any:
        """Start a worker with two processes for all queues, or as ``arguments`` say."""
        worker = ("-m", "celery", "-A", "config", "worker", "--queues", "default,long", "--concurrency", "2")
        return self.process("worker", *worker, "--loglevel", "INFO", *arguments, **variables)

    def beat(self, **variables: str) -> Any:
        return self.process("beat", "-m", "celery", "-A", "config", "beat", "--loglevel", "INFO", **variables)

    def python(self, code: str, **variables: str) -> str:
        """Run code that may name the tasks of ``base``; return what it printed."""
        return self.project.python(f"from base.tasks import *\n{code}", **{**self.environment, **variables})


def add_tasks(project: Project, tasks: str) -> None:
    """Give the app ``base`` more tasks."""
    file = project.path / "base/tasks.py"
    file.write_text(file.read_text() + tasks)
