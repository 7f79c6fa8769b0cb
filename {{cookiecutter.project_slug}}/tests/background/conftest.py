"""What is tested only where it is installed."""

from importlib.util import find_spec

# Redis and its transport: a project with RabbitMQ has no use for them.
collect_ignore = [] if find_spec("redis") else ["test_reconnect.py"]
