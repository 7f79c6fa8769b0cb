"""The page in the admin, and what can be done there: cancel a running task, stop a worker."""

from typing import Any

from celery import current_app
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from background.overview import page
from background.overview.control import WorkerSilentError, cancel, stop_softly
from background.overview.models import Overview, RunningProcess

PAGE = "admin:background_overview_changelist"


@admin.register(Overview)
class OverviewAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # at run time it takes none
    """A page in the place of a list. Each action asks first, has a permission of its own, and is in the admin's log."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("cancel/<int:pk>/<str:task_id>/", self.admin_site.admin_view(self.cancel), name="background_cancel"),
            path("stop/<int:pk>/", self.admin_site.admin_view(self.stop), name="background_stop"),
        ]
        return own + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            **page.parts(current_app),
            "title": "Background work",
            "may_cancel": request.user.has_perm("background.cancel_task"),
            "may_stop": request.user.has_perm("background.stop_worker"),
        }
        return TemplateResponse(request, "background/overview.html", context)

    def cancel(self, request: HttpRequest, pk: int, task_id: str) -> HttpResponse:
        """End a task that runs, after a question. It is not run again."""
        worker = get_object_or_404(RunningProcess, pk=pk, kind="worker")
        task = next((each["task"] for each in worker.report["running"] if each["id"] == task_id), "the task")
        return self.ask_and_do(
            request,
            "background.cancel_task",
            worker,
            question=f"Cancel {task}, which runs on {worker.name}?",
            consequence="It is ended in the middle of its work, and is not tried again.",
            done=f"Cancelled {task}[{task_id}].",
            do=lambda: cancel(current_app, worker.name, task_id),
        )

    def stop(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Stop a worker softly, after a question."""
        worker = get_object_or_404(RunningProcess, pk=pk, kind="worker")
        seconds = current_app.conf.worker_soft_shutdown_timeout
        return self.ask_and_do(
            request,
            "background.stop_worker",
            worker,
            question=f"Stop {worker.name}?",
            consequence=f"It takes no more tasks. Those that it has get {seconds:g} seconds to end, and then go back into their"
            " queues. Compose, systemd and the like start the worker again.",
            done=f"Asked {worker.name} to stop.",
            do=lambda: stop_softly(current_app, worker.name),
        )

    def ask_and_do(
        self,
        request: HttpRequest,
        permission: str,
        worker: RunningProcess,
        *,
        question: str,
        consequence: str,
        done: str,
        do: Any,
    ) -> HttpResponse:
        """Ask on a page of its own, do it, and say so in the log and on the page."""
        if not self.has_view_permission(request) or not request.user.has_perm(permission):
            raise PermissionDenied
        if request.method != "POST":
            context = {**self.admin_site.each_context(request), "title": question, "consequence": consequence}
            return TemplateResponse(request, "background/confirm.html", context)
        try:
            do()
        except WorkerSilentError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.log_change(request, worker, done)
            self.message_user(request, done, messages.SUCCESS)
        return HttpResponseRedirect(reverse(PAGE))
