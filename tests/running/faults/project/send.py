"""Enqueues tasks as a web process does: ``python send.py FIRST COUNT SECONDS PER_SECOND``.

A task that is refused because the broker is away is sent again until it is taken.
"""

import sys
import time

import django

django.setup()

# The settings come first.
import recorded  # noqa: E402
from background.task import BrokerUnavailableError  # noqa: E402


def send(number: int, seconds: float) -> None:
    """Enqueue one task, and record each attempt: how long a refusal took, in seconds, is printed."""
    while True:
        start = time.monotonic()
        try:
            recorded.work.delay(number, seconds)
        except BrokerUnavailableError:
            recorded.note("refused", number)
            print(f"refused after {time.monotonic() - start:.2f} s", flush=True)
            time.sleep(0.2)
        else:
            recorded.note("sent", number)
            return


if __name__ == "__main__":
    first, count = map(int, sys.argv[1:3])
    seconds, per_second = map(float, sys.argv[3:5])
    for number in range(first, first + count):
        send(number, seconds)
        time.sleep(1 / per_second)  # not less after a refusal: the load goes on for as long as the broker is there
