"""System checks of Celery's settings, tasks and schedule: what would lose work, do it twice, or stop beat.

``manage.py check --tag celery`` runs only these, and docs/operations.md lists them. What loses work or stops beat is an
error, the rest is a warning. The checks read the configuration that Celery uses (``current_app.conf``), in which an
environment variable such as ``CELERY_BROKER_URL`` wins over the setting.

https://docs.djangoproject.com/en/stable/topics/checks/
"""

from django.core import checks

from background.checks.cache import check_cache
from background.checks.certificates import check_certificates
from background.checks.eager import check_eager
from background.checks.limits import check_time_limits
from background.checks.queues import check_queues, check_routes
from background.checks.schedule import check_schedule, check_scheduler, check_time_zones
from background.checks.serializers import check_serializers
from background.checks.transport import check_transport

TAG = "celery"


def register() -> None:
    """Add the checks to ``manage.py check`` and to each command that runs checks first."""
    for check in (
        check_transport,
        check_time_limits,
        check_certificates,
        check_cache,
        check_serializers,
        check_queues,
        check_routes,
        check_scheduler,
        check_schedule,
        check_time_zones,
    ):
        checks.register(check, TAG)
    checks.register(check_eager, TAG, deploy=True)
