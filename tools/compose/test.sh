#!/usr/bin/env bash
# Starts the stack of deploy/compose.yaml, as `make compose-test` does: order of starts, an outage, deploy and rollback.
# It needs root, Debian's buildah, podman, runc, debootstrap, netavark, aardvark-dns and iptables, and ports 3000 and 3001.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tools/image/engine.sh
source tools/image/engine.sh
trap 'rm -rf "$scratch"' EXIT

need buildah podman runc debootstrap podman-compose
build
"${PYTHON:-python3}" tools/compose/test.py
