#!/usr/bin/env bash
# Installs what the tests need beyond packages of Python and npm: browsers, PostgreSQL, Redis, nginx and npm, python3-venv.
# Does so as root or with a sudo that asks nothing; otherwise says in one line what is missing, which tests then skip.
# In CI (CI=true) whatever is missing ends it.
set -euo pipefail

has_command() {
    for name in "$@"; do
        if command -v "$name" >/dev/null 2>&1; then return 0; fi
    done
    return 1
}
has_chromium() { has_command chromium chromium-browser google-chrome; }
has_firefox() { has_command firefox-esr firefox; }
has_postgresql() { has_command initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }
has_redis() { has_command redis-server valkey-server; }
has_nginx() { has_command nginx || [ -x /usr/sbin/nginx ]; } # Debian's place is in no user's PATH
has_npm() { has_command node && has_command npm; }
has_venv() { python3 -c 'import ensurepip, venv' >/dev/null 2>&1; }

list_missing() {
    missing=()
    has_chromium || missing+=(chromium)
    has_firefox || missing+=(firefox-esr)
    has_postgresql || missing+=(postgresql)
    has_redis || missing+=(redis-server)
    has_nginx || missing+=(nginx)
    has_npm || missing+=(npm) # brings nodejs along
    has_venv || missing+=(python3-venv)
}

# Debian and Ubuntu name the same thing differently.
first_known_package() {
    for package in "$@"; do
        if apt-cache show "$package" >/dev/null 2>&1; then
            echo "$package"
            return
        fi
    done
    echo "$1"
}

install_missing() {
    local as_root=() packages=()
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || return 0
        as_root=(sudo -n)
    fi
    command -v apt-get >/dev/null 2>&1 || return 0
    echo "Installing ${missing[*]} for the tests."
    "${as_root[@]}" apt-get update -qq
    for need in "${missing[@]}"; do
        case $need in
            chromium) packages+=("$(first_known_package chromium chromium-browser)") ;;
            firefox-esr) packages+=("$(first_known_package firefox-esr firefox)") ;;
            *) packages+=("$need") ;;
        esac
    done
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
}

list_missing
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi
install_missing || true # what counts is what is there afterwards
list_missing
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi
echo "Missing for the tests: ${missing[*]} (Debian/Ubuntu, as root: apt-get install ${missing[*]})." >&2
if [ "${CI:-false}" = true ]; then exit 1; fi
