#!/bin/sh
# Print the first Python that can carry ndlab: OLDEST (3.11) or newer, with venv and ensurepip.
#
# usage: find-python.sh [NAME|PATH ...]     names are tried in this order, on PATH and then among pyenv's versions
#
# Every candidate is run, not only found: a version manager's shim may be on PATH and still answer "not found".
set -u

oldest="${OLDEST:-3.11}"
probe="import sys, venv, ensurepip; sys.exit(sys.version_info[:2] < tuple(map(int, '$oldest'.split('.'))))"
[ $# -gt 0 ] || set -- python3.11 python3 python python3.12 python3.13 python3.14

folders="$PATH"
for folder in "${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}"/versions/*/bin; do
    folders="$folders:$folder"
done

try() {
    if [ -x "$1" ] && "$1" -c "$probe" >/dev/null 2>&1; then
        echo "$1"
        exit 0
    fi
}

for name in "$@"; do
    case "$name" in
        */*) try "$name" ;;
        *)
            IFS=:
            for folder in $folders; do
                try "$folder/$name"
            done
            unset IFS
            ;;
    esac
done

echo "ndlab needs Python $oldest or newer, with venv; none of these is one: $*" >&2
echo "install one (Debian: apt-get install python3 python3-venv), or name it: make setup PYTHON=/path/to/python3.12" >&2
exit 1
