#!/usr/bin/env bash
# Back to the release that ran before the last deploy. What that one added to the tables stays: the older one leaves it alone.
#   deploy/rollback.sh [TAG]
# shellcheck source=deploy/release.sh
source "$(dirname "${BASH_SOURCE[0]}")/release.sh"

before=$(current_tag)
tag=${1:-$(previous_tag)}
[ -n "$tag" ] || fail "no release is known that ran before. Remedy: deploy/rollback.sh TAG"
[[ $tag =~ $TAG_FORM ]] || fail "'$tag' is no tag of build.sh. Remedy: VERSION-YYYYMMDDHHMMSS-gitsha"
"$ENGINE" image inspect "$image:$tag" >/dev/null 2>&1 || fail "$image:$tag is not here. Remedy: deploy/deploy_server.sh $tag"
say "from ${before:-nothing} back to $tag"
if ! start "$tag"; then
    [ -z "$before" ] || [ "$before" = "$tag" ] || start "$before" || say "$before is not healthy either"
    fail "$tag is not healthy after $HEALTH_S s; ${before:-nothing} runs as before. Remedy: see \`compose logs\`"
fi
[ "$before" = "$tag" ] || echo "$before" >.previous_tag
say "$tag serves the farm"
