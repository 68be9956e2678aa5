#!/usr/bin/env bash
# Brings this host to a release: checks, loads or pulls the image, migrates, starts, waits for health, shows the timetable.
# Where health does not come, or somebody stops it while it waits, it goes back to the release that ran before.
#   deploy/deploy_server.sh TAG    a tag of build.sh; HEALTH_S=180 says how long health may take
# shellcheck source=deploy/release.sh
source "$(dirname "${BASH_SOURCE[0]}")/release.sh"

tag=${1:-}
[[ $tag =~ $TAG_FORM ]] || fail "'$tag' is no tag of build.sh. Remedy: VERSION-YYYYMMDDHHMMSS-gitsha"
farm=$(setting MUSHROOM_FARM_FILE farm.yaml)
secret=$(setting MUSHROOM_SECRETS secrets)/postgres_password
[ -f "$farm" ] || fail "there is no farm file $farm. Remedy: cp ../mushroom_assets/farm.yaml $farm, and make it yours"
[ -s "$secret" ] || fail "there is no password in $secret. Remedy: openssl rand -hex 24 > $secret; chmod 444 $secret"
page=$(setting MUSHROOM_SECRETS secrets)/page_password
if [ ! -s "$page" ]; then # so that a release that wants one starts where there was none
    openssl rand -base64 9 >"$page" && chmod 444 "$page"
    say "made a password for changes on the farm's page: see $page"
fi
[ -n "$(find "$secret" -perm -o=r)" ] || fail "$secret cannot be read by the container's user. Remedy: chmod 444 $secret"

if ! "$ENGINE" image inspect "$image:$tag" >/dev/null 2>&1; then
    if [ -f "images/$tag.tar.gz" ]; then
        say "loading images/$tag.tar.gz"
        gunzip -c "images/$tag.tar.gz" | "$ENGINE" load
    else
        say "pulling $image:$tag"
        "$ENGINE" pull "$image:$tag" || fail "$image:$tag is neither here, nor in images/, nor can it be pulled"
    fi
    "$ENGINE" image inspect "$image:$tag" >/dev/null \
        || fail "what was loaded has another name than $image:$tag. Remedy: $ENGINE images, $ENGINE tag"
fi

before=$(current_tag)
say "from ${before:-nothing} to $tag"
# By the new image, while the old one serves: a migration only adds, so both can live with the tables
MUSHROOM_TAG=$tag compose up -d postgres_db
if ! MUSHROOM_TAG=$tag compose run --rm -T --no-deps code_server mushroom init --attempts 12 --wait 5; then
    [ -n "$before" ] || fail "the tables could not be made, so $tag was not started. Remedy: see the lines above"
    fail "the tables could not be migrated: nothing was changed, $before goes on. Remedy: see the lines above"
fi

switch_to "$tag"
compose exec -T code_server mushroom status || true # what is missing now is no fault of the release
say "$tag serves the farm"
