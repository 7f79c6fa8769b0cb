#!/bin/sh
# Refuses a CELERY_BROKER_URL that can't work with the broker of the Compose files, and passwords that would not arrive as
# they are written. `make up` and `make deploy` run it with
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
url=$(printf '%s\n' "$environment" | sed -n 's/^CELERY_BROKER_URL=//p' | head -n 1)

# Of a value with a $ Compose would read the rest as a variable's name, and leave it out.
dollar=$(grep -E "^[A-Z_]+=[^'#]*\\\$([^{]|\$)" "$file" 2>/dev/null | cut -d = -f 1 | if [ "$file" = .env ]; then grep PASSWORD; else cat; fi) || true
[ -z "$dollar" ] || refuse "A value in $file has a \$, after which Compose reads a variable's name. Put it into single quotes:" "$dollar"

# In a URL some characters have a meaning of their own. Compose can't encode them.
for name in BROKER_PASSWORD RABBITMQ_PASSWORD; do
    password=$(printf '%s\n' "$environment" | sed -n "s/^$name=//p" | head -n 1)
    case $password in
        *[!A-Za-z0-9._~!*\(\),\;=\&+:-]*)
            # Development's file has a URL with the host's name, and compose.yaml builds one of its own.
            case $file:$url in
                .env:amqp* | *:*:"$password"@*)
                    refuse "$name in $file has a character that can't stand in a URL as it is. Use letters and digits: \`openssl rand -hex 32\`" \
                        "makes such a password. A broker that has run already keeps its old one: docs/switching.md says how to change it."
                    ;;
            esac
            ;;
    esac
done

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
