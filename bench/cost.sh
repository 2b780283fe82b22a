#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the simulator costs a program that does not simulate, in instructions (valgrind --tool=callgrind): the library as it
# is, and one in which rn_virtual() is NULL for the compiler too. usage: bench/cost.sh
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r src "$work/with"
cp -r src "$work/without"
machine="$work/without/plat/machine.h"
sed -i '/^static inline const rn_machine \*rn_virtual(void)$/,/^}$/s/return .*;/return (const rn_machine *)0;/' "$machine"
if cmp -s "$machine" src/plat/machine.h; then
        echo "cost.sh: rn_virtual is not where it was" >&2
        exit 1
fi

instructions() { # PROGRAM COUNT
        valgrind --tool=callgrind --callgrind-out-file=/dev/null "$1" "$2" 2>&1 | sed -n 's/.*Collected : //p'
}

echo "what,without,with,more"
for what in park job yield; do
        for kind in without with; do
                find "$work/$kind" -name '*.c' ! -name '*_test.c' ! -path '*/pthread/*' ! -name switch_ucontext.c >"$work/files"
                xargs gcc -std=c11 -D_GNU_SOURCE -DNDEBUG -DRN_VERSION='"cost"' -O2 -fPIC -fno-omit-frame-pointer \
                        -fstack-protector-strong -fstack-clash-protection -fvisibility=hidden -I include -I "$work/$kind" \
                        -o "$work/$what.$kind" "bench/cost/$what.c" "$work/$kind/coro/switch_$(uname -m).S" -pthread \
                        <"$work/files"
        done
        without=$(($(instructions "$work/$what.without" 15000) - $(instructions "$work/$what.without" 5000)))
        with=$(($(instructions "$work/$what.with" 15000) - $(instructions "$work/$what.with" 5000)))
        awk -v w="$what" -v a="$without" -v b="$with" \
                'BEGIN { printf "%s,%.1f,%.1f,%.2f %%\n", w, a / 10000, b / 10000, 100 * (b - a) / a }'
done
