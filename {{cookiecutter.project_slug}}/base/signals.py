"""A new user is welcomed."""

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models.signals import post_save
from django.dispatch import receiver

from base.tasks import send_welcome_mail


@receiver(post_save, sender=get_user_model())
def welcome_new_user(instance: Any, created: bool, raw: bool, **kwargs: Any) -> None:
    """Enqueue the mail with the transaction that saves the user. No user is left without it, whatever dies when."""
    if created and not raw and instance.email:
        send_welcome_mail.delay_in_transaction(instance.pk)
