"""The table of tasks that gave up."""

from django.db import models


class FailedTask(models.Model):
    """A task that failed and is not tried again by itself. A task that succeeds leaves nothing."""

    failed_at = models.DateTimeField(auto_now=True, db_index=True)
    task_id = models.CharField("id", max_length=255, unique=True)
    task = models.CharField(max_length=255)
    queue = models.CharField(max_length=255, blank=True)
    entry = models.CharField("entry of the schedule", max_length=200, blank=True, db_index=True)
    # JSON, as kombu writes it: the message's own. Empty if an eager task had arguments that are not JSON.
    arguments = models.TextField(blank=True)
    attempts = models.PositiveIntegerField()
    worker = models.CharField(max_length=255, blank=True)
    exception = models.CharField(max_length=255)
    reason = models.TextField(blank=True)
    traceback = models.TextField(blank=True)
    # The task as which it was run again, and the failed task that this one runs again.
    run_again_as = models.CharField(max_length=255, blank=True)
    run_again_at = models.DateTimeField(null=True)
    again_of = models.CharField("runs again", max_length=255, blank=True)

    class Meta:
        default_permissions = ("view", "delete")
        permissions = [("run_again_failedtask", "Can run failed tasks again")]
        indexes = [models.Index(fields=["task", "failed_at"], name="background_failed_task")]

    def __str__(self) -> str:
        return f"{self.task}[{self.task_id}]"
