#!/bin/sh
# Deploys, backs up and restores the site of compose.production.yaml: `make deploy`, `make backup`, `make restore FILE=...`
#
#     sh deploy/production.sh deploy
#     sh deploy/production.sh backup FILE
#     sh deploy/production.sh restore FILE
set -eu
umask 077
cd "$(dirname "$0")/.."

in_production="--env-file .env.production --file compose.production.yaml"
say() { printf '%s\n' "$@" >&2; }
# shellcheck disable=SC2086 # the options are several words
compose() { docker compose $in_production "$@"; }

# Sorts the services that are on, by what Compose says of them. Each service that is given DJANGO_SECRET_KEY runs the
# project's code, also one that you have added. Of those, all but web and the beats are workers. The
# rest are stores, besides the proxy.
sort_services() {
    sorted=$(compose config | awk '
        /^[^ ]/ { inside = ($1 == "services:") }
        !inside { next }
        /^  [^ ]/ { name = $1; sub(/:$/, "", name); names[++count] = name }
        /^      DJANGO_SECRET_KEY:/ { own[name] = 1 }
        /^      - beat$/ { beat[name] = 1 }
        END {
            for (i = 1; i <= count; i++) {
                name = names[i]
                if (name ~ /^(proxy|web|migrate)$/) kind = name
                {%- if cookiecutter.__prometheus %}
                else if (name ~ /^(prometheus|alertmanager|grafana)$/) kind = "watcher"
                {%- endif %}
                else if (!own[name]) kind = "store"
                else kind = beat[name] ? "beat" : "worker"
                print kind, name
            }
        }')
    stores=$(named store)
    # Workers before web: an old worker would throw away a task that only the new version has.
    app="$(named worker) $(named web) $(named beat)"
}
named() { echo "$sorted" | sed -n "s/^$1 //p"; }

# A service that is as it should be is left alone.
start() { compose up --detach --no-deps --wait "$@"; }

deploy() {
    hosts=$(compose config | sed -n 's/^ *DJANGO_ALLOWED_HOSTS: //p' | head -n 1 | tr -s "\"' ," ,)
    case ,$hosts in
        *,.* | *\**)
            say "DJANGO_ALLOWED_HOSTS in .env.production is $hosts. The proxy gets a certificate for each host, so each has to be" \
                "a whole name, as in example.com,www.example.com."
            exit 1
            ;;
    esac
    # shellcheck disable=SC2086 # the options are several words
    sh deploy/check-broker.sh .env.production $in_production
    # shellcheck disable=SC2086 # the options are several words
    sh deploy/check-ports.sh .env.production $in_production
    compose build
    for service in $stores; do start "$service"; done
    compose run --rm --no-deps --no-TTY migrate
    for service in $app $(named proxy); do start "$service"; done
    {%- if cookiecutter.__prometheus %}
    # Last, and anew, because a change of their files is none for Compose. The site does not need them.
    for service in $(named watcher); do
        start "$service" --force-recreate || say "$service did not start. The site runs without it."
    done
    {%- endif %}
    port=$(compose port proxy 443 2>/dev/null | sed -n 's/.*://p' | head -n 1)
    say "" "Site:    https://${hosts%%,*}$([ "${port:-443}" = 443 ] || echo ":$port")/" \
        "Admin:   https://${hosts%%,*}$([ "${port:-443}" = 443 ] || echo ":$port")/admin/" \
        "README.md says how to make the first administrator and read the logs."
}

backup() {
    [ ! -e "$1" ] || { say "$1 exists already and is not overwritten. Name another file."; exit 1; }
    mkdir -p "$(dirname "$1")"
    part=$1.part
    trap 'rm -f "$part"' EXIT
    {%- if cookiecutter.__postgresql %}
    compose exec --no-TTY db pg_dump --username={{ cookiecutter.project_slug }} --format=custom {{ cookiecutter.project_slug }} > "$part"
    {%- else %}
    # SQLite's own copy is whole, whatever is being written meanwhile.
    compose run --rm --no-deps --no-TTY migrate python -c '
import pathlib, shutil, sqlite3, sys
copy = pathlib.Path("/data/backup.sqlite3")
copy.unlink(missing_ok=True)
try:
    sqlite3.connect("file:/data/db.sqlite3?mode=rw", uri=True).execute("VACUUM INTO ?", [str(copy)])
    shutil.copyfileobj(copy.open("rb"), sys.stdout.buffer)
finally:
    copy.unlink(missing_ok=True)
' > "$part"
    {%- endif %}
    mv "$part" "$1"
    say "The database is in $1."
}

restore() {
    [ -s "$1" ] || { say "$1 does not exist or is empty. Nothing was changed."; exit 1; }
    # First beside the old database, while everything runs. A file that is not a whole backup gets no further.
    {%- if cookiecutter.__postgresql %}
    start db
    new={{ cookiecutter.project_slug }}_restored
    sql() { compose exec --no-TTY db psql --quiet --username={{ cookiecutter.project_slug }} --dbname=postgres --set ON_ERROR_STOP=1 "$@"; }
    sql --command "DROP DATABASE IF EXISTS $new WITH (FORCE)" --command "CREATE DATABASE $new"
    if ! compose exec --no-TTY db pg_restore --username={{ cookiecutter.project_slug }} --dbname=$new --exit-on-error < "$1"; then
        sql --command "DROP DATABASE $new WITH (FORCE)"
        say "$1 could not be restored. The database is unchanged."
        exit 1
    fi
    {%- else %}
    if ! compose run --rm --no-deps --no-TTY migrate python -c '
import pathlib, shutil, sqlite3, sys
new = pathlib.Path("/data/restored.sqlite3")
with new.open("wb") as file:
    shutil.copyfileobj(sys.stdin.buffer, file)
try:
    database = sqlite3.connect(new)
    (state,) = database.execute("PRAGMA integrity_check").fetchone()
    database.execute("SELECT COUNT(*) FROM django_migrations")
except sqlite3.DatabaseError as error:
    state = error
if state != "ok":
    new.unlink()
    sys.exit(f"This is not a backup of the database: {state}")
' < "$1"; then
        say "$1 could not be restored. The database is unchanged."
        exit 1
    fi
    {%- endif %}

    # Then in its place, when nothing uses that any more. The proxy holds requests meanwhile.
    running=$(compose ps --services --status running)
    for service in $app; do compose stop "$service"; done
    {%- if cookiecutter.__postgresql %}
    sql --command "DROP DATABASE {{ cookiecutter.project_slug }} WITH (FORCE)" \
        --command "ALTER DATABASE $new RENAME TO {{ cookiecutter.project_slug }}"
    {%- else %}
    compose run --rm --no-deps --no-TTY migrate sh -c \
        'rm -f /data/db.sqlite3-wal /data/db.sqlite3-shm && mv /data/restored.sqlite3 /data/db.sqlite3'
    {%- endif %}
    # A backup of an older version is brought up to date.
    compose run --rm --no-deps --no-TTY migrate
    for service in $app; do
        if echo "$running" | grep -qx "$service"; then start "$service"; fi
    done
    say "The database is now that of $1."
}

[ -e .env.production ] || { say "There is no .env.production. Copy .env.production.example and fill it in."; exit 1; }
compose config --quiet # says which secret is missing
sort_services
case ${1-}:${2-} in
    deploy:) deploy ;;
    backup:?*) backup "$2" ;;
    restore:?*) restore "$2" ;;
    restore:) say "Name the backup: make restore FILE=backups/..."; exit 1 ;;
    *) say "Usage: sh deploy/production.sh deploy | backup FILE | restore FILE"; exit 1 ;;
esac
