"""The users of the project."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A user of the project's own, because changing to one later means rewriting migrations.

    https://docs.djangoproject.com/en/stable/topics/auth/customizing/#using-a-custom-user-model-when-starting-a-project
    """
