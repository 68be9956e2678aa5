# What the scripts here share: the engine, the tag that runs and the one before it. Sourced, not run.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

TAG_FORM='^[0-9]+\.[0-9]+\.[0-9]+-[0-9]{14}-[0-9a-f]{7,40}$'
HEALTH_S=${HEALTH_S:-180}
image=${MUSHROOM_IMAGE:-$(sed -n 's/^MUSHROOM_IMAGE=//p' .env 2>/dev/null || true)}
image=${image:-mushroom_assets}

say() { echo "$(date -u +%H:%M:%S) $*"; }
fail() { say "$*"; exit 1; }

# By hand: COMPOSE="podman-compose" ENGINE=podman
engine() {
    if [ -n "${ENGINE:-}" ]; then echo "$ENGINE"
    elif command -v docker >/dev/null && docker info >/dev/null 2>&1; then echo docker
    elif command -v podman >/dev/null; then echo podman
    else fail "neither docker nor podman runs here. Remedy: install one of them"
    fi
}
ENGINE=$(engine)
compose() {
    if [ -n "${COMPOSE:-}" ]; then $COMPOSE "$@"
    elif [ "$ENGINE" = docker ]; then docker compose "$@"
    else podman-compose "$@"
    fi
}

current_tag() { sed -n 's/^MUSHROOM_TAG=//p' .env 2>/dev/null | tail -1 || true; }
previous_tag() { cat .previous_tag 2>/dev/null || true; }

# The tag that `compose` uses from now on, by hand too
use_tag() {
    touch .env
    { grep -v '^MUSHROOM_TAG=' .env || true; echo "MUSHROOM_TAG=$1"; } >.env.new
    mv .env.new .env
}

healthy() {
    local begun=$SECONDS
    until compose exec -T webserver mushroom health; do
        ((SECONDS - begun < HEALTH_S)) || return 1
        sleep 2
    done
    say "healthy after $((SECONDS - begun)) s"
}

start() {
    use_tag "$1"
    compose up -d
    healthy
}
