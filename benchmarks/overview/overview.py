"""How long the page *Background work* takes with many rows: ``make bench-overview``. It needs redis-server and PostgreSQL."""

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.baking import bake_into, install
from tests.servers import postgresql, redis

HERE = Path(__file__).parent


def report() -> None:
    """Print the milliseconds of the page on each database, with few rows and with many."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        project = install(bake_into(folder / "bake", broker="redis", database="postgresql"), folder)
        shutil.copytree(HERE / "project", project.path, dirs_exist_ok=True)
        broker = stack.enter_context(redis(folder))
        server = stack.enter_context(postgresql(folder))
        databases = {
            "SQLite": f"sqlite:///{folder}/db.sqlite3",
            "PostgreSQL": f"postgresql://postgres@127.0.0.1:{server}/postgres",
        }
        for database, url in databases.items():
            variables = {
                "DJANGO_SETTINGS_MODULE": "config.settings.test",
                "CELERY_BROKER_URL": f"redis://127.0.0.1:{broker}/1",
                "DATABASE_URL": url,
            }
            project.run(project.interpreter, "manage.py", "migrate", "--verbosity", "0", check=True, **variables)
            done = project.run(project.interpreter, "measure_overview.py", check=True, **variables)
            print(f"{database:12} {done.stdout.splitlines()[-1]}")


if __name__ == "__main__":
    report()
