#!/bin/bash
# Makes the database in $PGDATA when there is none, then becomes the server. Runs as the user of the container.
set -euo pipefail

: "${PGDATA:=/var/lib/postgresql/data/pgdata}" "${POSTGRES_USER:=postgres}"
: "${POSTGRES_DB:=$POSTGRES_USER}"

if [[ "${1:-}" != postgres ]]; then
    exec "$@"
fi

if [[ ! -s "$PGDATA/PG_VERSION" ]]; then
    if [[ -n "${POSTGRES_PASSWORD_FILE:-}" ]]; then
        POSTGRES_PASSWORD=$(<"$POSTGRES_PASSWORD_FILE")
    fi
    if [[ -z "${POSTGRES_PASSWORD:-}" ]]; then
        echo "POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE is needed to make the database" >&2
        exit 1
    fi
    # A first try that was killed leaves a folder that initdb refuses, so the database is made beside and moved.
    draft="$PGDATA.making"
    rm -rf "$draft"
    mkdir -p "$(dirname "$PGDATA")"
    initdb --pgdata="$draft" --username="$POSTGRES_USER" --encoding=UTF8 --locale=C.UTF-8 \
        --auth-local=trust --auth-host=scram-sha-256 --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD")
    echo "host all all all scram-sha-256" >>"$draft/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$draft/postgresql.conf"
    if [[ "$POSTGRES_DB" != postgres ]]; then
        printf 'CREATE DATABASE "%s";\n' "${POSTGRES_DB//\"/\"\"}" | postgres --single -D "$draft" -j postgres >/dev/null
    fi
    rmdir "$PGDATA" 2>/dev/null || true
    mv -T "$draft" "$PGDATA"
fi

unset POSTGRES_PASSWORD
exec "$@"
