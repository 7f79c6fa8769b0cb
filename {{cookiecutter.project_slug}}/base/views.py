"""One page: start a report, watch its progress, read it. It works with and without a broker, and without JavaScript."""

import functools
import logging
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from celery.states import PENDING, READY_STATES, SUCCESS
from django.conf import settings
from django.core.cache import cache
from django.db import InterfaceError, OperationalError, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.log import log_response
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe
from health_check.exceptions import ServiceUnavailable

from background import health
from background.request_log import request_id
from base.forms import ReportForm
from base.tasks import PROGRESS, build_report

View = Callable[..., HttpResponse]

logger = logging.getLogger(__name__)

QUEUED = "QUEUED"  # a state of our own: in Celery an unknown id has PENDING too


def answer_503(view: View) -> View:
    """Answer with a sentence if the broker, the result backend or the database is down. A line of the log says which."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except (*build_report.unavailable_errors, OperationalError, InterfaceError) as error:
            response = render(request, "base/unavailable.html", context(), status=HTTPStatus.SERVICE_UNAVAILABLE)
            # One line in the place of Django's: a page that polls would fill the log with tracebacks of a known reason.
            line = ("Service Unavailable: %s: %s", request.path, str(error))
            log_response(*line, response=response, request=request, logger=logger, level="warning")
            return response

    return wrapped


@transaction.non_atomic_requests  # with ATOMIC_REQUESTS the task would be enqueued, or refused, after this function
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@answer_503
def report_form(request: HttpRequest) -> HttpResponse:
    """Show the form. When it is sent, start a report and redirect to its page.

    Without a broker the report is built before the answer. A form that is sent twice starts one report.
    """
    form = ReportForm(request.POST or None)
    if not form.is_valid():
        return render(request, "base/report_form.html", context(form=form))
    task_id = form.cleaned_data["task_id"]
    page = reverse("base:report_page", args=[task_id])
    if status(task_id)["state"] == PENDING:
        enqueue(str(task_id), form.cleaned_data["months"])
        page += f"?request={request_id()}"
    return redirect(page)


def enqueue(task_id: str, months: int) -> None:
    """Enqueue a report, and first store that it waits. Until a worker starts it, only that tells it from an unknown id.

    Raises:
        background.task.BrokerUnavailableError: the broker is down. Nothing stays stored, so the form can be sent again.
    """
    build_report.update_state(task_id, QUEUED)
    try:
        build_report.apply_async_on_commit(kwargs={"months": months}, task_id=task_id)
    except Exception:
        if build_report.AsyncResult(task_id).state == QUEUED:  # not if it failed eagerly
            build_report.backend.forget(task_id)
        raise


@never_cache
@require_safe
@answer_503
def report_page(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Show a report or its progress, and by which id the log knows the request that started it.

    The page's script updates it. Without JavaScript it reloads itself.

    If the report was never started, or its result has expired, the status is 404.
    """
    now = status(task_id)
    unknown = now["state"] == PENDING
    values = context(task_id=task_id, status=now, unknown=unknown, request_id=request.GET.get("request", ""))
    return render(request, "base/report_page.html", values, status=HTTPStatus.NOT_FOUND if unknown else HTTPStatus.OK)


@never_cache
@require_safe
@answer_503
def report_status(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """The progress of a report for the page's script: the dictionary that ``status`` returns."""
    return JsonResponse(status(task_id))


def status(task_id: uuid.UUID) -> dict[str, Any]:
    """Read a report's state from the result backend.

    Returns ``state`` (Celery's: an unknown id has PENDING too), ``ready``, and at most one of ``progress`` (``done``
    and ``total`` months), ``report`` (what the task returned), ``error`` and ``waiting`` (a sentence each).
    """
    meta = build_report.backend.get_task_meta(str(task_id))  # one read: state and result belong together
    answer: dict[str, Any] = {"state": meta["status"], "ready": meta["status"] in READY_STATES}
    if meta["status"] == PROGRESS:
        answer["progress"] = meta["result"]
    elif meta["status"] == SUCCESS:
        answer["report"] = meta["result"]
    elif meta["status"] == QUEUED and is_unserved():
        answer["waiting"] = "No worker serves the queue of reports. The report is built when one starts"
    elif answer["ready"]:
        answer["error"] = "The report could not be built. The worker's log says why."
    return answer


def is_unserved() -> bool:
    """Whether no worker serves the queue of reports. The broker is asked every five seconds at most."""
    route = settings.CELERY_TASK_ROUTES.get(build_report.name, {})
    queue = route.get("queue", settings.CELERY_TASK_DEFAULT_QUEUE)
    return queue in (cache.get_or_set("base.unserved_queues", unserved_queues, 5) or [])


def unserved_queues() -> list[str]:
    """The queues that no worker serves. If the broker is away nothing is known, and /health/ tells that."""
    try:
        return health.unserved_queues(build_report.app)
    except ServiceUnavailable:
        return []


def context(**values: Any) -> dict[str, Any]:
    """What every page of this app shows."""
    return {"project_name": settings.PROJECT_NAME, "eager": settings.CELERY_TASK_ALWAYS_EAGER, **values}
