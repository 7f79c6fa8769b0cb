"""What the example tasks record."""

from django.conf import settings
from django.db import models


class WelcomeMail(models.Model):
    """The one welcome mail of a user. It makes ``send_welcome_mail`` idempotent."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    sent_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return f"welcome mail of user {self.user_id}"
