# A worker that is started anew when a Python file of the project's packages changes, for development. What is said to
# this script is said to the worker:
#
#     sh background/reload.sh --queues default,long

exec watchfiles --filter python --sigint-timeout 30 \
    "celery -A config worker --without-gossip --without-mingle --without-heartbeat --loglevel INFO $*" \
    $(dirname */__init__.py)
