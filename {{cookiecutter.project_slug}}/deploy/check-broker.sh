#!/bin/sh
# Refuses a CELERY_BROKER_URL that can't work with the broker of the Compose files. `make up` and `make deploy` run it with
# the file that the URL stands in, and with the options that they give to docker compose:
#
#     sh deploy/check-broker.sh .env
#     sh deploy/check-broker.sh .env.production --env-file .env.production --file compose.production.yaml
set -eu

file=$1
shift
refuse() { printf '%s\n' "$@" >&2; exit 1; }

# Compose itself reads the file: a value may stand in quotes, and the real environment wins.
environment=$(docker compose "$@" config --environment)
url=$(echo "$environment" | sed -n 's/^CELERY_BROKER_URL=//p' | head -n 1)
all=$(docker compose "$@" --profile '*' config --services)
on=$(docker compose "$@" config --services)

broker=$(echo "$all" | grep -Ex 'redis|valkey|rabbitmq' | head -n 1)
[ -n "$broker" ] || exit 0 # the project has taken the service out, and any URL is right

if ! echo "$on" | grep -qx "$broker"; then
    case $file:$url in
        *:) exit 0 ;;
        # compose.yaml replaces the host by the service. compose.production.yaml does not.
        .env:* | *[/@]"$broker"[:/]*)
            refuse "CELERY_BROKER_URL in $file is set, but COMPOSE_PROFILES does not start $broker, so enqueueing would fail." \
                "Write COMPOSE_PROFILES=broker, or empty CELERY_BROKER_URL and CELERY_RESULT_BACKEND."
            ;;
        *) exit 0 ;;
    esac
fi

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
