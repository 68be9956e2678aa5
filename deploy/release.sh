# What the scripts here share: the engine, the tag that runs and the one before it. Sourced, not run.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

TAG_FORM='^[0-9]+\.[0-9]+\.[0-9]+-[0-9]{14}-[0-9a-f]{7,40}$'
HEALTH_S=${HEALTH_S:-180}
unset MUSHROOM_TAG # one of the shell would win over that of .env

# A setting of the shell, or of .env as compose reads it: without quotes, comment and carriage return
setting() {
    local given=${!1:-}
    [ -n "$given" ] || given=$(sed -n "s/^$1=//p" .env 2>/dev/null | tail -1 \
        | sed -e 's/\r$//' -e 's/[[:space:]]\+#.*$//' -e "s/^\([\"']\)\(.*\)\1$/\2/" || true)
    echo "${given:-$2}"
}
image=$(setting MUSHROOM_IMAGE mushroom_assets)

say() { echo "$(date -u +%H:%M:%S) $*"; }
fail() { say "$*"; exit 1; }
[[ $HEALTH_S =~ ^[0-9]+$ ]] || fail "HEALTH_S=$HEALTH_S is no number of seconds. Remedy: HEALTH_S=180"

# By hand: COMPOSE="podman-compose" ENGINE=podman
engine() {
    if [ -n "${ENGINE:-}" ]; then echo "$ENGINE"
    elif command -v docker >/dev/null && docker info >/dev/null 2>&1; then echo docker
    elif command -v podman >/dev/null; then echo podman
    else
        say "neither docker nor podman runs here for $(id -un). Remedy: install one, or join the group docker" >&2
        return 1
    fi
}
ENGINE=$(engine) || exit 1
compose() {
    if [ -n "${COMPOSE:-}" ]; then $COMPOSE "$@"
    elif [ "$ENGINE" = docker ]; then docker compose "$@"
    else podman-compose "$@"
    fi
}

current_tag() { sed -n 's/^MUSHROOM_TAG=//p' .env 2>/dev/null | tail -1 || true; }
previous_tag() { cat .previous_tag 2>/dev/null || true; }

# The tag that `compose` uses from now on, by hand too; none: as before the first deploy. The file keeps its owner and mode
use_tag() {
    local rest
    rest=$(grep -v '^MUSHROOM_TAG=' .env 2>/dev/null || true)
    { [ -z "$rest" ] || echo "$rest"; [ -z "$1" ] || echo "MUSHROOM_TAG=$1"; } >.env
}

healthy() {
    local begun=$SECONDS
    until compose exec -T webserver mushroom health; do
        ((SECONDS - begun < HEALTH_S)) || return 1
        sleep 2
    done
    say "healthy after $((SECONDS - begun)) s"
}

# Every part runs: health alone would be content with what others left
all_run() {
    local part
    for part in code_server webserver daemon page; do
        compose exec -T "$part" true || { say "$part does not run"; return 1; }
    done
}

# Callers ask whether it works, so `set -e` does not hold in here
start() {
    use_tag "$1" || return 1
    compose up -d || return 1
    healthy && all_run
}
