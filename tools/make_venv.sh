#!/usr/bin/env bash
# Makes a virtual environment with pip in it, or leaves one alone that is good:  tools/make_venv.sh FOLDER
# PYTHON names the interpreter; without it the first on the path that is Python 3.11 or later is taken.
set -euo pipefail
folder=${1:?usage: tools/make_venv.sh FOLDER}
unset PYTHONHOME PIP_TARGET
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1

is_recent_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
is_good() { is_recent_enough "$folder/bin/python" && "$folder/bin/python" -m pip --version >/dev/null 2>&1; }

if is_good; then
    exit 0
fi

found=
for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if is_recent_enough "$python"; then
        found=$python
        break
    fi
done
if [ -z "$found" ]; then
    echo "Python 3.11 or later is needed: install it, or name it with PYTHON=/path/to/python3." >&2
    exit 1
fi

# Debian leaves pip out of new environments unless python3-venv is installed; a pip or virtualenv outside can do its work.
if ! "$found" -m venv --clear "$folder" >/dev/null 2>&1; then
    "$found" -m venv --clear --without-pip "$folder" >/dev/null 2>&1 && "$found" -m pip --python "$folder/bin/python" install --quiet pip 2>/dev/null ||
        "$found" -m virtualenv --quiet --clear "$folder" 2>/dev/null || true
fi
if ! is_good; then
    echo "$found cannot make a virtual environment here (Debian/Ubuntu: apt-get install python3-venv)." >&2
    exit 1
fi
