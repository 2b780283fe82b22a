#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# 1000 x /bin/true, a few at a time, by a command runner. Each run gets one argument, as xargs -n1 gives it.
# usage: cmd.sh rein|xargs|parallel|make [WIDTH]        (REIN: the rein command, default `rein`)
set -u
runner=${1:-}
width=${2:-2}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

seq 1000 >"$dir/numbers"
if [ "$runner" = make ]; then
        {
                echo ".PHONY: all"
                echo "all:$(seq -f ' t%.0f' 1000 | tr -d '\n')"
                for i in $(seq 1000); do
                        printf 't%s:\n\t@/bin/true %s\n' "$i" "$i"
                done
        } >"$dir/Makefile"
fi

start=${EPOCHREALTIME/[.,]/}
case $runner in
rein) "${REIN:-rein}" run -j"$width" -- /bin/true {} <"$dir/numbers" >"$dir/out" ;;
xargs) xargs -P"$width" -n1 /bin/true <"$dir/numbers" ;;
parallel) parallel -j"$width" /bin/true {} <"$dir/numbers" 2>"$dir/err" ;;
make) make -s -C "$dir" -j"$width" >"$dir/out" ;;
*)
        sed -n 's/^# usage/usage/p' "$0" >&2
        exit 2
        ;;
esac
rc=$?
end=${EPOCHREALTIME/[.,]/}
[ $rc -eq 0 ] || exit $rc
echo "cmd.1000true,$runner,j=$width,$(((end - start) / 1000)),ms"
