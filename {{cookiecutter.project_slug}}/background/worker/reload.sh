#!/bin/sh
# Runs a worker for development, and restarts it when a Python file in the project's packages changes. Arguments go to
# the worker. Without --queues it serves all queues of the settings.
#
#     sh background/worker/reload.sh --queues long --concurrency 2

export DJANGO_SETTINGS_MODULE="${DJANGO_SETTINGS_MODULE:-config.settings.development}"
# shellcheck disable=SC2035,SC2046 # the packages, a word each
exec watchfiles --filter python --sigint-timeout 30 \
    "celery -A config worker --without-gossip --without-mingle --without-heartbeat --loglevel INFO $*" \
    $(dirname */__init__.py)
