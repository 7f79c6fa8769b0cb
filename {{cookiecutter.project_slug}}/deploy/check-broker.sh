#!/bin/sh
# Refuses a CELERY_BROKER_URL that does not fit the broker that Compose starts. `make up` and `make deploy` run it with the
# URL, the file that it stands in, and the names of the services that are on:
#
#     sh deploy/check-broker.sh URL FILE SERVICE...
set -eu

url=$1 file=$2
shift 2
refuse() { printf '%s\n' "$@" >&2; exit 1; }

broker=
for service; do
    case $service in redis | valkey | rabbitmq) broker=$service ;; esac
done
[ -n "$broker" ] || exit 0

case $url in
    "")
        refuse "CELERY_BROKER_URL in $file is empty, so tasks are eager. But COMPOSE_PROFILES starts $broker and the workers, which" \
            "would have nothing to do. Empty COMPOSE_PROFILES too, or copy the broker's lines from $file.example."
        ;;
    redis:* | rediss:*) kinds="redis valkey" answer=redis ;;
    amqp:* | amqps:*) kinds=rabbitmq answer=rabbitmq ;;
    *) exit 0 ;;
esac
case " $kinds " in
    *" $broker "*) ;;
    *)
        refuse "CELERY_BROKER_URL in $file starts with ${url%%:*}:, but the broker in this project's Compose files is $broker." \
            "Copy the URL from $file.example, or bake the project again with broker=$answer. docs/switching.md says how."
        ;;
esac
