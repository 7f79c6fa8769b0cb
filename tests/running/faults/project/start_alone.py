"""Starts a task that is to run alone, from many threads, until its standard input ends: ``python start_alone.py STARTERS``."""

import itertools
import random
import sys
import threading
import time

import django

django.setup()

# The settings come first.
import recorded  # noqa: E402

numbers = itertools.count()


def start() -> None:
    while True:
        recorded.be_alone.delay(next(numbers), 0.5)
        time.sleep(random.uniform(0, 2))


if __name__ == "__main__":
    for _ in range(int(sys.argv[1])):
        threading.Thread(target=start, daemon=True).start()
    sys.stdin.read()
