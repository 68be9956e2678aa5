#!/usr/bin/env bash
# Lints, builds and starts the image, as `make image-test` does: not root, healthy, ended by Ctrl-C.
# It needs root and Debian's buildah, podman, runc and debootstrap. The container has no network, no
# capabilities and a file system that it can only read.
set -euo pipefail
cd "$(dirname "$0")/../.."
base=docker.io/library/python:3.11-slim-bookworm
image=localhost/mushroom_assets:test
name=mushroom_assets_test
healthy_s=60
size_limit=2300000000 # bytes

for tool in buildah podman runc debootstrap; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install buildah podman runc debootstrap"; exit 1; }
done
"${HADOLINT:-hadolint}" Dockerfile

settings=$(mktemp -d)
trap 'podman rm --force --time 30 "$name" >/dev/null 2>&1 || true; rm -rf "$settings"' EXIT
# Where systemd does not run: runc, and limits that its parent may set
cat >"$settings/containers.conf" <<'END'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
END
export CONTAINERS_CONF=$settings/containers.conf

tools/image/base.sh "$base"
wheels=()
for folder in ${PIP_FIND_LINKS:-}; do
    wheels+=(--volume "$folder:$folder:ro")
done
buildah bud --layers --format docker --isolation chroot --network host "${wheels[@]}" \
    --build-arg "VERSION=test" --tag "$image" .
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
