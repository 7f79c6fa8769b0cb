"""What all tests share: the fixtures for tasks, which docs/testing.md explains."""

pytest_plugins = ["background.testing.fixtures"]
