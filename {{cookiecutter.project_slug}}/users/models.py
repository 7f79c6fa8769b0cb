"""The users of the project."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A user model of the project's own. To change to one later, you would have to rewrite migrations.

    https://docs.djangoproject.com/en/stable/topics/auth/customizing/#using-a-custom-user-model-when-starting-a-project
    """
