#!/bin/sh
# Resolves what pyproject.toml asks for into requirements/*.lock: every version and every file's hash, for all
# platforms and for Python 3.11 and newer. Only this script needs uv; installing the locks needs nothing but pip.
set -eu

python=$(scripts/find_python.sh)
if [ ! -x .cache/lock/bin/uv ]; then
    "$python" -m venv .cache/lock
    .cache/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
fi

lock() {
    output=requirements/$1.lock
    shift
    echo "Resolving $output"
    .cache/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock-requirements" \
        --output-file "$output" "$@"
}

lock runtime pyproject.toml "$@"
# The others hold the runtime's versions, so that what is tested is what is shipped.
lock dev --group dev --constraint requirements/runtime.lock pyproject.toml "$@"
lock helm-sdk --extra helm-sdk --constraint requirements/runtime.lock pyproject.toml "$@"
lock tools --no-deps requirements/tools.in "$@"
