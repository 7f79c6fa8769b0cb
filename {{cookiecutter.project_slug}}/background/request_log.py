"""One line of the log for each request, and the id that joins it to the lines of all tasks that it causes."""

import time
from contextlib import suppress
from typing import Any

import django.db
import structlog
from django.conf import settings
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django_structlog.middlewares import RequestMiddleware
from django_structlog.signals import bind_extra_request_finished_metadata

PROBES = "/health/"  # asked all the time, also while the database is away. They do not read the user


def request_id() -> str:
    """The id of the request that is answered now, or of the one that caused the task that runs now. Else empty."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


class RequestLog(RequestMiddleware):
    """Logs a request when it ends, with its duration, and without its query string, which may contain secrets.

    The answer has the id as ``X-Request-ID``. ``RequestMiddleware`` reads the user of each request. Here one without a
    session asks the database nothing, and a database that is down harms none.
    """

    def prepare(self, request: HttpRequest) -> None:
        request._begun = time.monotonic()  # type: ignore[attr-defined]
        super().prepare(request)

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        response.headers["X-Request-ID"] = request_id()
        super().handle_response(request, response)

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        return f"{request.method} {request.path}"

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and not request.path.startswith(PROBES):
            with suppress(django.db.Error):
                RequestMiddleware.bind_user_id(request)

    def process_got_request_exception(self, *args: Any, **kwargs: Any) -> None:
        """Django itself logs the exception, within the request."""


@receiver(bind_extra_request_finished_metadata)
def add_duration(request: HttpRequest, log_kwargs: dict[str, Any], **kwargs: Any) -> None:
    log_kwargs["duration_ms"] = round((time.monotonic() - request._begun) * 1000)  # type: ignore[attr-defined]
