"""Requests that die between their commit and their answer: ``python die.py COUNT``. The fault tests copy this into a project."""

import os
import sys

import django

django.setup()

# The settings come first.
import recorded  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.db import connections, transaction  # noqa: E402
from django.http import HttpRequest  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402


def die(request: HttpRequest, number: int) -> None:
    """Save a user and enqueue a task in one transaction, and die."""
    user_model = get_user_model()
    with transaction.atomic():
        user_model.objects.bulk_create([user_model(username=f"user{number}")])
        recorded.work.delay_in_transaction(number, 0)
    recorded.note("sent", number)
    os._exit(9)


urlpatterns = [path("<int:number>/", die)]

if __name__ == "__main__":
    settings.ROOT_URLCONF = __name__
    connections.close_all()
    for number in range(int(sys.argv[1])):
        child = os.fork()
        if child == 0:
            Client().get(f"/{number}/")
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
