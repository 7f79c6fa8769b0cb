"""Tasks that gave up, in the admin: read them, and run them again."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from background.failures.again import run_again
from background.failures.models import FailedTask
from background.schedule.words import in_short

WIDTH = 80  # characters of a reason in the list


@admin.register(FailedTask)
class FailedTaskAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # at run time it takes none
    """A list that nobody edits. *Run again* has a permission of its own."""

    actions = ("run_again",)
    list_display = ("when", "task", "error", "attempts", "ran_again")
    list_filter = ("failed_at", "task", "exception")
    search_fields = ("=task_id", "task", "reason")
    ordering = ("-failed_at",)
    show_full_result_count = False  # counting all rows takes longer than to show some
    fields = (
        "task",
        "task_id",
        "failed_at",
        "attempts",
        "queue",
        "entry",
        "worker",
        "json",
        "exception",
        "reason",
        "trace",
        "again_of",
        "run_again_as",
        "run_again_at",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: FailedTask | None = None) -> bool:
        return False

    def has_run_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("background.run_again_failedtask")

    @admin.display(description="Error")
    def error(self, row: FailedTask) -> str:
        text = f"{row.exception}: {row.reason}"
        return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"

    @admin.display(description="Failed", ordering="failed_at")
    def when(self, row: FailedTask) -> str:
        return in_short(row.failed_at)

    @admin.display(description="Run again", ordering="run_again_at")
    def ran_again(self, row: FailedTask) -> str:
        return in_short(row.run_again_at)

    @admin.display(description="Arguments")
    def json(self, row: FailedTask) -> str:
        return row.arguments or "not JSON, so the task can't be run again"

    @admin.display(description="Traceback")
    def trace(self, row: FailedTask) -> SafeString:
        return format_html('<pre style="white-space: pre-wrap; margin: 0">{}</pre>', row.traceback)

    @admin.action(description="Run selected failed tasks again", permissions=["run_again"])
    def run_again(self, request: HttpRequest, rows: QuerySet[FailedTask]) -> None:
        """Run each again, and say of each that can't be, why."""
        done = 0
        for row in rows:
            try:
                new_id = run_again(row)
            except Exception as error:  # in eager mode anything that the task raises
                self.message_user(request, f"{row}: {type(error).__name__}: {error}", messages.ERROR)
            else:
                done += 1
                self.log_change(request, row, f"Run again as {new_id}.")
        if done:
            self.message_user(request, f"Run again: {done}.", messages.SUCCESS)
