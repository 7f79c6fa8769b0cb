"""The table of messages that are still to be sent."""

from django.db import models


class OutboxMessage(models.Model):
    """The message of a task, as it would have gone to the broker. Its row is deleted when it was sent."""

    due = models.DateTimeField()
    task = models.CharField(max_length=255)
    task_id = models.CharField(max_length=255)
    message = models.TextField()  # JSON, as kombu writes it: the arguments of ``Producer.publish``
    error = models.TextField(blank=True)  # why it could not be sent, if that is no fault of the broker's

    class Meta:
        default_permissions = ("view", "delete")
        indexes = [models.Index(fields=["due", "id"], name="background_outbox_due")]

    def __str__(self) -> str:
        return f"{self.task}[{self.task_id}]"
