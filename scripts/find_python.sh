#!/bin/sh
# Prints the first Python that is new enough, or says which are there and why none will do.
# PYTHON, when set, is the only candidate.
set -eu

least="3.11"
seen=""
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    # A name on PATH may be a shim that runs nothing, so each candidate is asked, not only looked up.
    version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "$candidate"
        exit 0
    fi
    seen="$seen $candidate ($version)"
done

echo "Packhorse needs Python $least or newer; found:${seen:- none}." >&2
echo "hint: install python$least (and its venv module), or name one: make PYTHON=/path/to/python venv" >&2
exit 1
