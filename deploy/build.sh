#!/usr/bin/env bash
# Builds the image of what is committed and tags it VERSION-YYYYMMDDHHMMSS-gitsha; prints the tag last.
#   deploy/build.sh [--save]       with --save into deploy/images/TAG.tar.gz, for a server without a registry
#   TORCH=cuda deploy/build.sh     for a machine with an NVIDIA card
#   EXTRAS=s3,celery deploy/build.sh     or s3,kubernetes: for runs on many machines
#   BUILD_OPTIONS='--network host' whatever the builder should be told besides
case "$*" in
    "" | --save) ;;
    -h | --help)
        sed -n '/^[^#]/q; s/^# //p' "${BASH_SOURCE[0]}"
        exit
        ;;
    *)
        echo "'$*' is nothing that can be built. Remedy: deploy/build.sh [--save]; deploy/build.sh --help" >&2
        exit 2
        ;;
esac
# shellcheck source=deploy/release.sh
source "$(dirname "${BASH_SOURCE[0]}")/release.sh"
cd ..

why=$(git ls-files --error-unmatch setup.py 2>&1) \
    || fail "$PWD is no git checkout, and a commit names the image (${why%%$'\n'*}). Remedy: build where it was cloned"
[ -z "$(git status --porcelain)" ] || fail "there are changes that are not committed. Remedy: commit them"
version=$(sed -n 's/^ *version="\([^"]*\)".*/\1/p' setup.py)
sha=$(git rev-parse --short=12 HEAD)
created=$(date -u +%Y-%m-%dT%H:%M:%SZ)
tag=$version-$(date -u +%Y%m%d%H%M%S)-$sha

options=(--build-arg "TORCH=${TORCH:-cpu}" --build-arg "EXTRAS=${EXTRAS:-s3}" --build-arg "VERSION=$version" --build-arg "REVISION=$sha"
    --build-arg "CREATED=$created" --tag "$image:$tag")
# An image of podman's own form has no health check
[ "$ENGINE" = docker ] || options+=(--format docker)
# shellcheck disable=SC2206 # options are several words
options+=(${BUILD_OPTIONS:-})
say "building $image:$tag"
"$ENGINE" build "${options[@]}" .
if [ "${1:-}" = --save ]; then
    mkdir -p deploy/images
    "$ENGINE" save "$image:$tag" | gzip >"deploy/images/$tag.tar.gz"
    say "saved: deploy/images/$tag.tar.gz"
fi
echo "$tag"
