#!/usr/bin/env bash
# The base image, where a registry has it; else a stand-in of Debian's own packages, for tests alone.
#   tools/image/base.sh IMAGE
# The stand-in knows pip's settings of this machine: what it trusts, and folders of wheels.
set -euo pipefail
image=$1

if podman image exists "$image" || timeout 60 podman pull --quiet "$image" 2>/dev/null; then
    exit 0
fi
echo "no registry has $image for us: made from Debian's packages"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv,python3-pip \
    bookworm "$root" >"$root.log" || { cat "$root.log"; exit 1; }
rm -f "$root"/usr/lib/python3.*/EXTERNALLY-MANAGED "$root.log"
ln -sf python3 "$root/usr/bin/python"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf '[global]\nfind-links = %s\n' "${PIP_FIND_LINKS:-}" >"$root/etc/pip.conf"
tar -C "$root" -c . | podman import --quiet - "$image"
