#!/bin/sh
# Tells whether the worker or beat of this container is alive, or also ready for work, by exit status 0 or 1 and a line
# that says why. It reads the file of background/probe/heartbeat.py without Python, so a probe costs milliseconds.
#
#     sh background/probe/healthcheck.sh live
#     sh background/probe/healthcheck.sh ready
#
# Compose restarts a container that has ended, but not one that hangs. So the third question is answered like the first,
# and ends the container if its process has hung for 60 seconds. All its processes are killed but the init process,
# which ends after them. Without such an init process, for example on a developer's machine, nothing is killed.
#
#     sh background/probe/healthcheck.sh live-or-end

older_than() { [ -z "$(find "$CELERY_HEARTBEAT_FILE" -mmin "-$1")" ]; } # minutes

question=$1
case $question in
    live | ready) ;;
    live-or-end) question=live ;;
    *) echo "Ask for live, ready or live-or-end." >&2; exit 1 ;;
esac

if [ ! -e "$CELERY_HEARTBEAT_FILE" ]; then
    echo "not $question: the process has not started, or has ended"
    exit 1
fi
if older_than 0.5; then
    echo "not $question: the process has hung for more than 30 seconds"
    if [ "$1" = live-or-end ] && older_than 1; then
        case $(cat /proc/1/comm) in
            docker-init | tini | catatonit) kill -KILL -1 ;;
        esac
    fi
    exit 1
fi
state=$(cat "$CELERY_HEARTBEAT_FILE")
case $question:$state in
    live:* | ready:ready*) echo "$question: $state" ;;
    *) echo "not ready: $state"; exit 1 ;;
esac
