"""Takes each message that beat sends, as soon as it is there: ``python watch.py FILE`` adds a line for each.

A line is JSON: the entry's name, the id of the process that sent it, and when it arrived, in seconds since 1970.
"""

import json
import sys
import time
from pathlib import Path

import django

django.setup()

from django.conf import settings  # noqa: E402
from redis import Redis  # noqa: E402

if __name__ == "__main__":
    client = Redis.from_url(settings.CELERY_BROKER_URL, socket_timeout=None)  # it waits for as long as nothing is sent
    queue = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"] + settings.CELERY_TASK_DEFAULT_QUEUE
    with Path(sys.argv[1]).open("w", buffering=1) as file:
        print("watching", flush=True)
        while True:
            message = json.loads(client.blpop([queue])[1])
            headers = message["headers"]
            process = int(headers["origin"].split("@")[0].removeprefix("gen"))
            print(json.dumps([headers["periodic_task_name"], process, time.time()]), file=file)
