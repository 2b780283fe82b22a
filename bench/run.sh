#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Measure rein beside its peers and print the table. See README.md.
# usage: run.sh [--full] [--only REGEX] [--rounds N] [--n JOBS] [--list] ...      (BUILD: the build directory)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/../build/release}

for word in "$@"; do
        if [ "$word" = --full ] && [ -f "$build/CMakeCache.txt" ]; then
                cmake --build "$build" --target bench_full
        fi
done
exec python3 -B "$here/run.py" --build "$build" "$@"
