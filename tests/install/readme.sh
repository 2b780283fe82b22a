#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every whole program in README.md compiles without a warning and runs. Usage: tests/install/readme.sh BUILD_DIR
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

awk -v dir="$work" '
        /^```c$/ { n++; file = dir "/" n ".c"; inside = 1; next }
        /^```/ { inside = 0 }
        inside { print > file }' "$top/README.md"
count=0
for source in $(grep -l 'int main' "$work"/*.c); do
        gcc -std=c11 -Wall -Wextra -Wpedantic -Werror -I "$top/include" "$source" -o "$work/program" \
                -L "$build" -lrein -Wl,-rpath,"$build"
        timeout 20 "$work/program" >"$work/output" || { cat "$source" "$work/output"; echo "readme: it failed" >&2; exit 1; }
        count=$((count + 1))
done
[ $count -gt 0 ] || { echo "readme: no program in README.md" >&2; exit 1; }
echo "readme: $count program(s) of README.md built and run"
