"""Keeps so many tasks enqueued that a worker never finds its queue empty: ``python keep_full.py WAITING``.

It ends when its standard input does, and prints how many tasks the broker has taken.
"""

import os
import select
import sys

import django

django.setup()

# The settings come first.
import recorded  # noqa: E402
from tail import Tail  # noqa: E402

if __name__ == "__main__":
    waiting, sent, ended = int(sys.argv[1]), 0, 0
    tail = Tail(os.environ["LEDGER"])
    while not select.select([sys.stdin], [], [], 0)[0]:
        ended += tail.ends()
        while sent < ended + waiting:
            recorded.work.delay(sent, 0)
            recorded.note("sent", sent)
            sent += 1
        select.select([sys.stdin], [], [], 0.01)
    print(sent, flush=True)
