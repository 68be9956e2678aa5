#!/usr/bin/env bash
# Lints, builds and starts the image, as `make image-test` does: not root, healthy, ended by Ctrl-C.
# It needs root and Debian's buildah, podman, runc and debootstrap. The container has no network, no
# capabilities and a file system that it can only read.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tools/image/engine.sh
source tools/image/engine.sh
name=mushroom_assets_test
healthy_s=60
size_limit=2300000000 # bytes

need buildah podman runc debootstrap
"${HADOLINT:-hadolint}" Dockerfile
trap 'podman rm --force --time 30 "$name" >/dev/null 2>&1 || true; rm -rf "$scratch"' EXIT
build
size=$(podman image inspect --format '{{.Size}}' "$image")
echo "size: $((size / 1000000)) MB"
((size < size_limit))

began=$SECONDS
podman run --detach --name "$name" --network none --read-only --tmpfs /tmp --cap-drop all \
    --security-opt no-new-privileges "$image" >/dev/null
until podman exec "$name" mushroom health; do
    ((SECONDS - began < healthy_s)) || { podman logs "$name" | tail -50; echo "not healthy in $healthy_s s"; exit 1; }
    sleep 1
done
echo "healthy after $((SECONDS - began)) s"
podman healthcheck run "$name"
[ "$(podman exec "$name" id -u)" = 10001 ]
if podman exec "$name" sh -c 'command -v cc gcc g++'; then
    echo "a compiler is left"
    exit 1
fi

began=$SECONDS
podman kill --signal INT "$name" >/dev/null
code=$(timeout 60 podman wait "$name")
echo "ended after Ctrl-C in $((SECONDS - began)) s with exit code $code"
[ "$code" = 0 ]
echo "the image is well"
