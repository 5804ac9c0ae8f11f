#!/bin/bash
# Dumps the database into $BACKUP_FOLDER, and keeps the newest $BACKUP_KEEP dumps.
set -euo pipefail

: "${BACKUP_FOLDER:=/backups}" "${BACKUP_KEEP:=7}"
name="$BACKUP_FOLDER/shop-$(date --utc +%Y%m%dT%H%M%SZ).sql.gz"
trap 'rm -f "$name.part"' EXIT

pg_dump --no-password | gzip >"$name.part"
mv "$name.part" "$name"
echo "Wrote $name, $(stat --format=%s "$name") bytes."

find "$BACKUP_FOLDER" -name 'shop-*.sql.gz' | sort --reverse | tail -n "+$((BACKUP_KEEP + 1))" | xargs --no-run-if-empty rm --
