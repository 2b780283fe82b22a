#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the simulator costs a program that does not simulate, in instructions (valgrind --tool=callgrind): the library as it
# is, and one in which rn_virtual() is NULL for the compiler too. And what the library's own checks cost (RN_DEBUG, the
# development builds): a release, and the same with them. usage: bench/cost.sh
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

build() { # WHAT SOURCES NAME FLAGS
        find "$2" -name '*.c' ! -name '*_test.c' ! -path '*/pthread/*' ! -name switch_ucontext.c >"$work/files"
        xargs gcc -std=c11 -D_GNU_SOURCE -DNDEBUG -DRN_VERSION='"cost"' -O2 -fPIC -fno-omit-frame-pointer \
                -fstack-protector-strong -fstack-clash-protection -fvisibility=hidden $4 -I include -I "$2" \
                -o "$work/$1.$3" "bench/cost/$1.c" "$2/coro/switch_$(uname -m).S" -pthread <"$work/files"
}

instructions() { # PROGRAM COUNT
        valgrind --tool=callgrind --callgrind-out-file=/dev/null "$1" "$2" 2>&1 | sed -n 's/.*Collected : //p'
}

each() { # PROGRAM: ten thousand times
        echo $(($(instructions "$1" 15000) - $(instructions "$1" 5000)))
}

row() { # WHAT CHEAP DEAR
        awk -v w="$1" -v a="$2" -v b="$3" \
                'BEGIN { printf "%s,%.1f,%.1f,%.2f %%\n", w, a / 10000, b / 10000, 100 * (b - a) / a }'
}

checks=
echo "what,without,with,more"
for what in park job yield lock; do
        build $what "$work/without" without ""
        build $what "$work/with" with ""
        build $what "$work/with" checked -DRN_DEBUG=1
        with=$(each "$work/$what.with")
        row $what "$(each "$work/$what.without")" "$with"
        checks="$checks$(row $what "$with" "$(each "$work/$what.checked")")
"
done
printf '\nwhat,release,checked,more\n%s' "$checks"
