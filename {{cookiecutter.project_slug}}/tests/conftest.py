"""What all tests share: the fixtures for tasks, which docs/celery.md explains in "Testing tasks"."""

pytest_plugins = ["background.testing"]
