#!/bin/sh
# Refuses to start if a port that Compose is to publish is taken, and says which variable to change. Arguments as for
# check-broker.sh:
#
#     sh deploy/check-ports.sh .env
#     sh deploy/check-ports.sh .env.production --env-file .env.production --file compose.production.yaml
set -eu

file=$1
shift
command -v python3 >/dev/null || exit 0 # nothing else on every system can tell. Compose reports it later, in its words

compose_file=compose.yaml
for word; do compose_file=$word; done # the last option
# Each port of the services that are on: service, port inside, host's address or -, host's port.
docker compose "$@" config | awk '
    /^[^ ]/ { inside = ($1 == "services:") }
    !inside { next }
    /^  [^ ]/ { service = $1; sub(/:$/, "", service) }
    /^      - mode:/ { address = "-" }
    $1 == "host_ip:" { address = $2 }
    $1 == "target:" { target = $2 }
    $1 == "published:" { gsub("\"", "", $2); print service, target, address, $2 }
' | {
    taken=0
    while read -r service target address port; do
        # What this project's own container has published already is no obstacle.
        case $(docker compose "$@" port "$service" "$target" 2>/dev/null </dev/null || true) in *:"$port") continue ;; esac
        python3 - "$address" "$port" <<'END' && continue
import errno, socket, sys

address, port = sys.argv[1:]
try:
    socket.create_server(("" if address == "-" else address, int(port))).close()
except OSError as error:
    sys.exit(error.errno == errno.EADDRINUSE)  # Docker may be allowed what you are not
END
        variable=$(sed -n "s/.*\${\([A-Z_]*_PORT\):-[0-9]*}:$target\$/\1/p" "$compose_file" | head -n 1)
        echo "Port $port is taken, and $service needs it. Set ${variable:-another port} in $file to a free one." >&2
        taken=1
    done
    exit $taken
}
