"""What the admin shows: the schedule, with how its entries differ from the settings, the tasks that gave up, and the overview."""

import logging
from typing import Any

from celery import current_app
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import Case, QuerySet, When
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django_celery_beat.admin import PeriodicTaskAdmin
from django_celery_beat.models import PeriodicTask

from background.failures.admin import FailedTaskAdmin
from background.overview.admin import OverviewAdmin
from background.overview.page import failures_of_last_runs
from background.registry import entries_in_code
from background.schedule.drift import drift
from background.schedule.edit import apply
from background.schedule.last_run import count_from_now
from background.schedule.run import run
from background.schedule.words import in_short, next_run, readable, words

__all__ = ["EntryAdmin", "FailedTaskAdmin", "OverviewAdmin"]

logger = logging.getLogger(__name__)

admin.site.unregister(PeriodicTask)

# With results in Redis the lists of results are empty, and would say that nothing has run.
if current_app.conf.result_backend != "django-db":
    for model in [each for each in admin.site._registry if each._meta.app_label == "django_celery_results"]:
        admin.site.unregister(model)


@admin.register(PeriodicTask)
class EntryAdmin(PeriodicTaskAdmin):
    """django-celery-beat's list of the entries, with what differs from the settings."""

    list_display = ("name", "enabled", "runs", "drift", "next_run", "last_run", "last_result")
    actions = (*PeriodicTaskAdmin.actions, "apply_settings")

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Look for drift once for all rows of the page, and keep each row's differences on the row."""
        changes: ChangeList = super().get_changelist_instance(request)
        rows = list(changes.result_list)
        found = drift(current_app, rows)
        failed = failures_of_last_runs(rows)
        for row in rows:
            row.failure = failed.get(row.name)
            row.differences = found.get(row.name, [])
            schedule = readable(row)
            row.next_moment = next_run(current_app, row, schedule) if schedule else None
        return changes

    @admin.display(description="Schedule")
    def runs(self, row: PeriodicTask) -> str:
        return words(row.scheduler) + (", once" if row.one_off and not row.clocked_id else "")

    @admin.display(description="Next run")
    def next_run(self, row: Any) -> str:
        return in_short(row.next_moment)

    @admin.display(description="Last run", ordering="last_run_at")
    def last_run(self, row: PeriodicTask) -> str:
        return in_short(row.last_run_at)

    @admin.display(description="Last result", empty_value="-")
    def last_result(self, row: Any) -> SafeString | str | None:
        """The failure of the last run. A success leaves nothing."""
        if row.failure is None:
            return "no failure" if row.last_run_at else None
        url = reverse("admin:background_failedtask_change", args=[row.failure.pk])
        return format_html('<a href="{}">{}</a>', url, row.failure.exception)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Say what the script of the page shows in the place of a crontab where none is chosen."""
        context["readable_crontabs"] = {**context.get("readable_crontabs", {}), "": "none is chosen"}
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    @admin.display(description="Drift", empty_value="-")
    def drift(self, row: Any) -> SafeString:
        return format_html_join("\n", "<div>{}</div>", ((str(difference),) for difference in row.differences))

    def get_readonly_fields(self, request: HttpRequest, obj: PeriodicTask | None = None) -> tuple[str, ...]:
        """An entry of the settings is known by its name. Under another one it would run beside the one that is seeded anew."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return (*fields, "name") if obj and obj.name in entries_in_code(current_app) else fields

    @admin.action(description="Enable selected tasks", permissions=["change"])
    def enable_tasks(self, request: HttpRequest, rows: QuerySet[PeriodicTask]) -> None:
        number = count_from_now(rows.filter(enabled=False), enabled=True)
        self.message_user(request, f"Switched on: {number}. Each runs at its next moment.", messages.SUCCESS)

    @admin.action(description="Disable selected tasks", permissions=["change"])
    def disable_tasks(self, request: HttpRequest, rows: QuerySet[PeriodicTask]) -> None:
        number = count_from_now(rows.filter(enabled=True), enabled=False)
        self.message_user(request, f"Switched off: {number}.", messages.SUCCESS)

    @admin.action(description="Toggle activity of selected tasks", permissions=["change"])
    def toggle_tasks(self, request: HttpRequest, rows: QuerySet[PeriodicTask]) -> None:
        number = count_from_now(rows, enabled=Case(When(enabled=True, then=False), default=True))
        self.message_user(request, f"Toggled: {number}.", messages.SUCCESS)

    @admin.action(description="Run selected tasks", permissions=["change"])
    def run_tasks(self, request: HttpRequest, rows: QuerySet[PeriodicTask]) -> None:
        """Send each as beat does, and say of each that could not be sent why. In eager mode its own failure is one reason."""
        for row in rows:
            try:
                result = run(current_app, row.name)
            except Exception as error:
                logger.warning("The entry %s was run by hand and failed.", row.name, exc_info=True)
                self.message_user(request, f"The entry {row.name} was not run: {error!r}", messages.ERROR)
            else:
                self.message_user(request, f"Sent {row.name}: task {result.id}.", messages.SUCCESS)

    @admin.action(description="Apply the settings' values", permissions=["change"])
    def apply_settings(self, request: HttpRequest, rows: QuerySet[PeriodicTask]) -> None:
        found = drift(current_app, rows)
        for key in apply(current_app, list(found)):
            changes = "; ".join(f"{field} from {old} to {new}" for field, old, new in found[key])
            self.message_user(request, f"Changed {key}: {changes}.", messages.SUCCESS)
        if not found:
            self.message_user(request, "None of these entries differs from the settings.", messages.WARNING)
