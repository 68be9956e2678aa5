#!/usr/bin/env bash
# Back to the release that ran before the last deploy. What that one added to the tables stays: the older one leaves it alone.
#   deploy/rollback.sh [TAG]
# shellcheck source=deploy/release.sh
source "$(dirname "${BASH_SOURCE[0]}")/release.sh"

tag=${1:-$(previous_tag)}
[ -n "$tag" ] || fail "no release is known that ran before. Remedy: deploy/rollback.sh TAG"
[[ $tag =~ $TAG_FORM ]] || fail "'$tag' is no tag of build.sh. Remedy: VERSION-YYYYMMDDHHMMSS-gitsha"
"$ENGINE" image inspect "$image:$tag" >/dev/null 2>&1 || fail "$image:$tag is not here. Remedy: deploy/deploy_server.sh $tag"
before=$(current_tag)
say "from ${before:-nothing} back to $tag"
switch_to "$tag"
say "$tag serves the farm"
