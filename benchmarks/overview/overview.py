"""How long the page *Background work* takes with many rows: ``make bench-overview``. It needs redis-server and PostgreSQL."""

from pathlib import Path

from benchmarks.baked_site import site

HERE = Path(__file__).parent


def report() -> None:
    """Print the milliseconds of the page on each database, with few rows and with many."""
    with site(HERE / "project") as (project, broker, databases):
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
