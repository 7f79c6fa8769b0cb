"""What gunicorn reads when it starts: its own lines are as all others. A request is logged by the project's RequestLog."""

from config.settings.logs import JSON, logging_as

logconfig_dict = logging_as(JSON, {"gunicorn.error": {"level": "INFO", "propagate": True}})
