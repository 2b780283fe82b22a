#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs what this repository needs and the machine lacks, from Debian's own packages.
# Usage: scripts/setup.sh [build|check|bench|docs]...     default: build. Each of the others includes build.
# Does and says nothing when everything is there. Needs root or sudo only when something is missing.
set -euo pipefail

build=(build-essential cmake ninja-build pkg-config libcmocka-dev libcjson-dev libsqlite3-dev libuv1-dev
        libglib2.0-dev libhttp-parser-dev python3)
check=(clang clang-tidy clang-format libclang-rt-14-dev llvm cppcheck valgrind gdb
        gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user man-db mandoc)
# What the benchmarks compare with.
bench=(wrk libtbb-dev libboost-dev libboost-context-dev libboost-fiber-dev libboost-thread-dev
        libev-dev libevent-dev liburing-dev libapr1-dev libpcl1-dev golang-go default-jdk-headless parallel)
docs=(doxygen)

wanted=("${build[@]}")
for profile in "${@:-build}"; do
        case $profile in
        build) ;;
        check) wanted+=("${check[@]}") ;;
        bench) wanted+=("${bench[@]}") ;;
        docs) wanted+=("${docs[@]}") ;;
        *)
                echo "setup: no profile '$profile'; there are build, check, bench and docs" >&2
                exit 2
                ;;
        esac
done

if ! command -v dpkg-query >/dev/null; then
        echo "setup: not a Debian system; see to it that the equivalents of these are installed: ${wanted[*]}" >&2
        exit 0
fi

missing=()
for package in "${wanted[@]}"; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

root=()
if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
                echo "setup: missing: ${missing[*]}. Run this as root, or install sudo." >&2
                exit 1
        fi
        root=(sudo)
fi

echo "setup: installing ${missing[*]}"
apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        cat "$log" >&2
        echo "setup: could not install ${missing[*]}" >&2
        exit 1
fi
echo "setup: done"
