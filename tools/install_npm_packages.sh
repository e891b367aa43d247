#!/usr/bin/env bash
# Installs what tests of pages need from npm into FOLDER/node_modules, exactly as FOLDER/package-lock.json says.
# Without npm, or without its registry, says so in one line, and those tests skip. In CI (CI=true) that ends it.
set -euo pipefail

folder=$1

give_up() {
    echo "$1, so tests that need packages of npm are skipped." >&2
    if [ "${CI:-false}" = true ]; then exit 1; fi
    exit 0
}

command -v npm >/dev/null 2>&1 || give_up "There is no npm (Debian/Ubuntu, as root: apt-get install npm)"
echo "Installing into $folder/node_modules ..."
(cd "$folder" && npm ci --loglevel=error >/dev/null) || give_up "npm could not install what $folder/package-lock.json names"
touch "$folder/node_modules/.package-lock.json" # newer than what it was made from
