"""What workers and beats report of themselves, and how long the queues were."""

from django.db import models


class RunningProcess(models.Model):
    """A worker or a beat. It writes its row every few seconds, and deletes it when it ends.

    ``seen`` is on the database's clock. The clocks of hosts are never compared.
    """

    kind = models.CharField(max_length=6)  # "worker" or "beat"
    name = models.CharField(max_length=255, unique=True)
    started = models.DateTimeField()
    seen = models.DateTimeField()
    report = models.JSONField()

    class Meta:
        default_permissions = ()
        verbose_name_plural = "running processes"

    def __str__(self) -> str:
        return self.name


class QueueLength(models.Model):
    """How many messages waited in a queue at a moment. The beat that leads writes a row a minute, and keeps an hour of them."""

    queue = models.CharField(max_length=255)
    at = models.DateTimeField(db_index=True)
    waiting = models.PositiveIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.queue}: {self.waiting}"


class Overview(models.Model):
    """The page. It has no table: it is here so that the admin lists it, with permissions of its own."""

    class Meta:
        managed = False
        verbose_name = verbose_name_plural = "overview"
        default_permissions = ("view",)
        permissions = [("cancel_task", "Can cancel running tasks"), ("stop_worker", "Can stop workers")]

    def __str__(self) -> str:
        return "overview"
