"""The project behind an ASGI server: many clients at once, and no more connections to the database than they need."""

import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

from tests.baking import UV, Project
from tests.servers import free_port, postgresql, running

Installed = Callable[..., Project]
CLIENTS, REQUESTS = 20, 24
OPEN = "from django.db import connection as c; k = c.cursor(); k.execute('select count(*) from pg_stat_activity where datname = current_database()'); print(k.fetchone()[0])"


def test_no_connection_stays_open_after_its_request(installed: Installed, tmp_path: Path) -> None:
    """With connections that are kept, 480 requests of 20 clients opened 90, and PostgreSQL refused the next ones."""
    project = installed(tmp_path / "project", database="postgresql")
    statuses: list[int] = []

    def ask() -> None:
        for _ in range(REQUESTS):
            with urlopen(f"http://127.0.0.1:{port}/reports/{uuid.uuid4()}/status/", timeout=60) as response:
                statuses.append(response.status)

    with postgresql(tmp_path) as database:
        project.set_env(DATABASE_URL=f"postgresql://postgres@127.0.0.1:{database}/postgres")
        project.make("migrate")
        port = free_port()
        command = [UV, "run", "--quiet", "--with", "uvicorn", "uvicorn", "config.asgi:application", "--port", str(port)]
        development = {**project.environment, "DJANGO_SETTINGS_MODULE": "config.settings.development"}
        with running(command, project.path, development, tmp_path / "log") as server:
            server.wait_for(lambda: "Application startup complete" in server.output(), "uvicorn")
            clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            left = int(project.python(OPEN)) - 1  # this question's own

            assert statuses == [200] * CLIENTS * REQUESTS
            assert left == 0, server.output()
