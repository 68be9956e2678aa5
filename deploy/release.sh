# What the scripts here share: the engine, the tag that runs and the one before it, the way there and back. Sourced, not run.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

TAG_FORM='^[0-9]+\.[0-9]+\.[0-9]+-[0-9]{14}-[0-9a-f]{7,40}$'
HEALTH_S=${HEALTH_S:-180}
unset MUSHROOM_TAG # one of the shell would win over that of .env

# A line of .env that sets $1, up to its value
line_of() { echo "^[[:space:]]*(export[[:space:]]+)?$1[[:space:]]*="; }

# A setting of the shell, or of .env as compose reads it: without `export`, quotes, comment and space around
setting() {
    local given=${!1:-}
    [ -n "$given" ] || given=$(sed -nE "s/$(line_of "$1")//p" .env 2>/dev/null | tail -1 \
        | sed -E -e 's/[[:space:]]+#.*$//' -e 's/^[[:space:]]+//' -e 's/[[:space:]]+$//' -e "s/^([\"'])(.*)\1$/\2/" || true)
    echo "${given:-$2}"
}
image=$(setting MUSHROOM_IMAGE mushroom_assets)

# A terminal that is gone is no reason to stop half way
say() { echo "$(date -u +%H:%M:%S) $*" || true; }
fail() { say "$*"; exit 1; }
[[ $HEALTH_S =~ ^[0-9]+$ ]] || fail "HEALTH_S=$HEALTH_S is no number of seconds. Remedy: HEALTH_S=180"
HEALTH_S=$((10#$HEALTH_S)) # 090 would be octal

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

current_tag() { setting MUSHROOM_TAG ""; }
previous_tag() { cat .previous_tag 2>/dev/null || true; }

# The tag that `compose` uses from now on, by hand too, and the one before it, for rollback.sh; none: as before the first
# deploy. The file keeps its owner and mode
use_tag() {
    local rest
    echo "$2" >.previous_tag
    rest=$(grep -vE "$(line_of MUSHROOM_TAG)" .env 2>/dev/null || true)
    { [ -z "$rest" ] || echo "$rest"; [ -z "$1" ] || echo "MUSHROOM_TAG=$1"; } >.env
}

stopped='' # by Ctrl-C, by a signal, or because the connection ended
healthy() {
    local begun=$SECONDS
    until compose exec -T webserver mushroom health; do
        [ -z "$stopped" ] || return 1
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
start() { compose up -d && healthy && all_run && [ -z "$stopped" ]; }

# To the release $1. Where it does not get healthy, or somebody stops that, back to the one that ran before, and the script fails
switch_to() {
    local tag=$1 before earlier why
    before=$(current_tag)
    earlier=$(previous_tag)
    trap 'stopped=yes' INT TERM HUP
    [ "$before" = "$tag" ] || use_tag "$tag" "$before"
    if start; then
        trap - INT TERM HUP
        return
    fi
    why="$tag is not healthy after $HEALTH_S s"
    [ -z "$stopped" ] || why="stopped before $tag was healthy"
    say "$why; its last lines:"
    compose logs --tail 20 || true
    [ "$before" != "$tag" ] \
        || fail "$why; it ran before too: nothing to take back. Remedy: see the lines above${earlier:+, or deploy/rollback.sh $earlier}"
    use_tag "$before" "$earlier"
    [ -n "$before" ] || fail "$why; there is no release to go back to. Remedy: see the lines above" # what never served is none
    trap 'fail "stopped on the way back to $before. Remedy: deploy/rollback.sh $before"' INT TERM HUP
    stopped=''
    say "back to $before"
    start || fail "$before is not healthy either. Remedy: see \`compose logs\`"
    fail "$before serves the farm again; $tag does not. Remedy: see the lines above"
}
