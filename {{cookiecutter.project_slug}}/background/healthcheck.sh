# Whether the worker or beat of this container is alive, or is also ready for work: exit status 0 or 1, and a line that
# says why. It reads the file of background/heartbeat.py and starts no Python, so a probe costs milliseconds.
#
#     sh background/healthcheck.sh live
#     sh background/healthcheck.sh ready

case $1 in
    live | ready) ;;
    *) echo "Ask for live or ready." >&2; exit 1 ;;
esac

if [ ! -e "$CELERY_HEARTBEAT_FILE" ]; then
    echo "not $1: the process has not started, or has ended"
    exit 1
fi
if [ -z "$(find "$CELERY_HEARTBEAT_FILE" -mmin -0.5)" ]; then
    echo "not $1: the process has hung for more than 30 seconds"
    exit 1
fi
state=$(cat "$CELERY_HEARTBEAT_FILE")
case $1:$state in
    live:* | ready:ready*) echo "$1: $state" ;;
    *) echo "not ready: $state"; exit 1 ;;
esac
