"""Enqueues tasks as a web process does: ``python send.py FIRST COUNT SECONDS PER_SECOND``.

A task that is refused because the broker is away is sent again until it is taken. Two variables change more: ``COUNTDOWN``
is how many seconds later the tasks may begin, and ``APP`` is a module that is imported first.
"""

import os
import sys
import time
from importlib import import_module

import django

django.setup()

# The settings come first.
import recorded  # noqa: E402
from background.task import BrokerUnavailableError  # noqa: E402


def send(number: int, seconds: float, countdown: float | None) -> None:
    """Enqueue one task, and record each attempt: how long a refusal took, in seconds, is printed."""
    while True:
        start = time.monotonic()
        try:
            recorded.work.apply_async((number, seconds), countdown=countdown)
        except BrokerUnavailableError:
            recorded.note("refused", number)
            print(f"refused after {time.monotonic() - start:.2f} s", flush=True)
            time.sleep(0.2)
        else:
            recorded.note("sent", number)
            return


if __name__ == "__main__":
    import_module(os.environ.get("APP", "config"))
    countdown = float(os.environ.get("COUNTDOWN", "0")) or None
    first, count = map(int, sys.argv[1:3])
    seconds, per_second = map(float, sys.argv[3:5])
    for number in range(first, first + count):
        send(number, seconds, countdown)
        time.sleep(1 / per_second)  # not less after a refusal: the load goes on for as long as the broker is there
