#!/bin/sh
# Prints a Python 3.12 or 3.11 that can make a virtual environment; a pyenv shim that exists but fails is passed over.
# On Debian, where venv is a package of its own, root installs it; anybody else is told which one is missing.

usable() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null
}

first_usable() {
    for candidate in python3.12 python3.11 python3 /usr/bin/python3.12 /usr/bin/python3.11 \
        /usr/local/bin/python3.12 /usr/local/bin/python3.11; do
        if path=$(command -v "$candidate" 2>/dev/null) && usable "$path"; then
            echo "$path"
            return 0
        fi
    done
    return 1
}

without_venv() {
    for candidate in python3.12 python3.11; do
        if "$candidate" -c '' 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

first_usable && exit 0
if found=$(without_venv); then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing $found-venv, which Debian keeps apart" >&2
        { apt-get install -y -q "$found-venv" || { apt-get update -q && apt-get install -y -q "$found-venv"; }; } >&2
        first_usable && exit 0
    fi
    echo "simclr-lab: $found has no venv module; on Debian or Ubuntu: sudo apt-get install $found-venv" >&2
else
    echo "simclr-lab: needs Python 3.12 or 3.11 on PATH; found neither (on Debian 12: apt-get install python3.11-venv)" >&2
fi
exit 1
