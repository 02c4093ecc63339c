#!/usr/bin/env bash
# Makes .venv, with all that requirements.lock names in it, and checks the machine with `tensorline doctor`.
#
#   scripts/setup.sh                       takes the first suitable Python that it finds
#   PYTHON=python3.12 scripts/setup.sh     takes this one
#
# It needs no root, and nothing but Python 3.10 to 3.13. The second call does nothing, in a moment; one that was interrupted
# starts over. Exit codes: 0 done, 1 a step failed, 2 this machine can't run Tensorline as it is; either says what to do.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C.UTF-8 # the repository's path may hold any letter

venv=.venv
tools=$venv/setup # a small environment of its own: the installer, and the tools that repair wheels
# Published for glibc 2.39 and later only; see scripts/repair_wheels.py.
repaired='ml-metadata|tensorflow-data-validation'
min_free_mib=5120

say() { printf 'setup: %s\n' "$1"; }
stop() { trap - ERR; printf 'setup: %s\n' "$2" >&2; exit "$1"; }
trap 'stop 1 "stopped before the end; the lines above say why. Once that is mended, run it again: it starts over."' ERR

# ---- what is there already

# Each step leaves a mark in .venv when it is done: packages, project, checked. It holds where the clone lies, for an environment
# that was moved or copied does not work, and the hash of what the step was made from.
fingerprint() { # fingerprint MARK
    local files=("$venv/pyvenv.cfg" requirements.lock scripts/setup* scripts/repair_wheels.py)
    [[ $1 == packages ]] || files+=(pyproject.toml)
    pwd -P
    cat "${files[@]}" | sha256sum
}
runs() { "$1" -I -S -c '' 2>/dev/null; }
identity() { "$1" -I -S -c 'import sys; print(sys.version, sys.base_prefix)' 2>/dev/null; }
is_other_python() { [[ -n ${PYTHON:-} && $(identity "$PYTHON") != "$(identity "$venv/bin/python")" ]]; }
is_current() { [[ -s $venv/$1 && $(<"$venv/$1") == "$(fingerprint "$1")" ]] && runs "$venv/bin/python" && ! is_other_python; }
# Only an environment in which all packages stand is brought up to date in place.
is_whole() { [[ -s $venv/packages && $(head -n 1 "$venv/packages") == "$(pwd -P)" ]] && runs "$venv/bin/python" && ! is_other_python; }

# ---- what the machine must bring

is_older() { [[ $1 != "$2" && $(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]; }

check_platform() { # sets glibc
    [[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] || stop 2 \
        "found $(uname -s) on $(uname -m), but TFX has packages for Linux on x86_64. Use the Dockerfile: docker build --platform linux/amd64 -t tensorline ."
    glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || stop 2 \
        "found no glibc (is this Alpine?), which TensorFlow's packages need. Use a distribution with glibc, such as Debian, or the Dockerfile."
    glibc=${glibc#glibc }
    ! is_older "$glibc" 2.34 || stop 2 \
        "found glibc $glibc, expected 2.34 or later. Use Debian 12, Ubuntu 22.04, RHEL 9 or later, or the Dockerfile."
}

find_python() { # sets python
    local candidate found reasons=
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.11 python3.12 python3.13 python3.10; do
        if python=$(command -v "$candidate"); then
            if found=$("$python" scripts/setup_python.py 2>&1); then return; fi
            reasons+="${reasons:+; }$candidate: ${found%%$'\n'*}"
        fi
        if [[ $candidate == "${PYTHON:-}" ]]; then break; fi
    done
    stop 2 "found no suitable Python (${reasons:-${PYTHON:-python3} is not there}), expected CPython 3.10 to 3.13 with its venv module. Install one (Debian, Ubuntu: apt install python3-venv), or name one: make setup PYTHON=/path/to/python3.11"
}

# ---- the steps

stop_fetching() {
    stop 1 "the packages could not be fetched; the lines above say why. Check the network, the proxy (HTTPS_PROXY) or the mirror (PIP_INDEX_URL for pip, UV_DEFAULT_INDEX for uv), then run it again."
}

make_venv() {
    local free_mib
    free_mib=$(df -Pm . | awk 'NR == 2 {print $4}')
    ((free_mib >= min_free_mib)) || stop 1 \
        "found $free_mib MiB free on this disk, but the environment needs $min_free_mib. Make room, or clone the repository to another disk."
    say "making $venv with $("$python" --version) ($python)"
    "$python" -m venv --clear --without-pip "$venv"
    "$python" -m venv "$tools"
    say "fetching the installer"
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
        --requirement scripts/setup-requirements.lock || stop_fetching
}

in_lock() { # in_lock 1: the entries of the lock that are to be repaired; in_lock 0: the others
    awk -v want="$1" -v names="^($repaired)==" '/^[^ ]/ {found = $0 ~ names} found == want' requirements.lock
}

uv_install() {
    # Compiled now: where PYTHONDONTWRITEBYTECODE is set nothing ever would be, and importing TensorFlow takes 15 s instead of 5.
    local options=(--no-python-downloads --python "$venv/bin/python" --no-deps --compile-bytecode)
    [[ -t 2 ]] || options+=(--quiet) # on a terminal it shows how far it is
    "$tools/bin/uv" pip install "${options[@]}" "$@"
}

install_packages() {
    local wheels=$tools/wheels lock=requirements.lock
    if is_older "$glibc" 2.39; then
        say "repairing two wheels for glibc $glibc"
        rm -rf "$wheels"
        mkdir "$wheels"
        in_lock 1 >"$wheels/repaired.lock"
        "$tools/bin/python" -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary=:all: \
            --platform manylinux_2_39_x86_64 --dest "$wheels/upstream" --requirement "$wheels/repaired.lock" || stop_fetching
        "$tools/bin/python" scripts/repair_wheels.py requirements.lock "$wheels" "$wheels"/upstream/*.whl >/dev/null
        lock=$wheels/others.lock
        in_lock 0 >"$lock"
    fi
    say "installing and compiling the packages of requirements.lock (some minutes when none is cached)"
    rm -f "$venv/packages" "$venv/project" "$venv/checked"
    uv_install --require-hashes --requirement "$lock" || stop_fetching
    if [[ -d $wheels ]]; then
        # By name from a folder, so that they count as the lock's packages and not as files.
        uv_install --no-index --find-links "$wheels" $(in_lock 1 | grep -o '^[^ ]*==[^ ]*')
        rm -rf "$wheels"
    fi
    fingerprint packages >"$venv/packages"
}

install_project() {
    say "installing tensorline itself"
    uv_install --offline --no-build-isolation --editable .
    # Relative to its own folder: Python reads .pth files in the locale's encoding, and where LC_ALL=C a path with an ü stops it.
    echo ../../../.. | tee "$venv"/lib/python3.*/site-packages/_tensorline.pth >/dev/null
    fingerprint project >"$venv/project"
}

if is_current checked; then
    say "$venv is up to date"
    exit 0
fi

# One at a time in a clone; the lock is on the repository's folder itself.
exec 9<.
flock --nonblock 9 || { say "waiting for another setup of this clone"; flock 9; }

if ! is_current packages; then
    check_platform
    is_whole || { find_python; make_venv; }
    install_packages
fi
is_current project || install_project
scripts/in_env.sh tensorline doctor || stop $? "the packages are installed, but the doctor found what is named above. Mend it, then run it again."
fingerprint checked >"$venv/checked"
