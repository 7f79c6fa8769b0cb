"""Measures one kind of task: ``python measure_features.py COUNT WORKER...``. It prints what ``measure.under_load`` returns."""

import json
import os
import sys

from measure import under_load
from redis import Redis

if __name__ == "__main__":
    broker = Redis.from_url(os.environ["CELERY_BROKER_URL"])
    broker.flushall()
    print(json.dumps(under_load(sys.argv[2:], int(sys.argv[1]), "default", broker)))
