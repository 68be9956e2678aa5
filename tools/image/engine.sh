# Podman where systemd does not run, and the folders of wheels that pip is told of. Sourced by the tests of the image.
# shellcheck shell=bash
base=docker.io/library/python:3.11-slim-bookworm
image=localhost/mushroom_assets:test

need() {
    for tool in "$@"; do
        command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install buildah podman runc debootstrap netavark aardvark-dns iptables"; exit 1; }
    done
}

# runc, and limits that its parent may set
scratch=$(mktemp -d)
cat >"$scratch/containers.conf" <<'END'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
END
export CONTAINERS_CONF=$scratch/containers.conf

build_options=(--format docker --isolation chroot --network host)
for folder in ${PIP_FIND_LINKS:-}; do
    build_options+=(--volume "$folder:$folder:ro")
done

build() {
    tools/image/base.sh "$base"
    buildah bud --layers "${build_options[@]}" --build-arg "VERSION=test" --tag "$image" .
}
