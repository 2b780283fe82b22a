#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What librein.so shows to the world: every function that include/rein declares REIN_API, no name that does not begin
# with rein_, and one thread-local word inside. And what a release does not have: the library's own checks (plat/check.h).
# Usage: scripts/check_symbols.sh BUILD_DIR | --selftest
set -euo pipefail

declared() { # DIR_OF_HEADERS -> the names of its REIN_API functions
        python3 - "$1" "$(dirname "$0")" <<'PY'
import re, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from csource import strip_all
for path in sorted(Path(sys.argv[1]).glob("*.h")):
    text = re.sub(r"^[ \t]*#(?:.*\\\n)*.*$", "", strip_all(path.read_text()), flags=re.MULTILINE)
    for found in re.finditer(r"\bREIN_API\b[^;{]*?\b(\w+)\s*\(", text):
        print(found[1])
PY
}

check() { # LIBRARY DIR_OF_HEADERS
        local lib=$1 exported declared strange missing words
        exported=$(nm -D --defined-only "$lib" | awk '$2 ~ /^[TtWwBbDdRrViu]$/ { sub(/@.*/, "", $3); print $3 }' | sort -u)
        declared=$(declared "$2" | sort -u)
        strange=$(comm -23 <(echo "$exported") <(echo "$declared"))
        missing=$(comm -13 <(echo "$exported") <(echo "$declared"))
        words=$(readelf -W --symbols "$lib" | awk '$4 == "TLS" && $7 != "UND" { print $8 }' | sort -u)
        local bad=0
        if [ -z "$declared" ]; then
                echo "$2: declares nothing" >&2
                bad=1
        fi
        if [ -n "$strange" ]; then
                echo "$lib: exported, but not declared REIN_API in include/rein:" $strange >&2
                bad=1
        fi
        if [ -n "$missing" ]; then
                echo "$lib: declared REIN_API, but not exported:" $missing >&2
                bad=1
        fi
        if grep -qv '^rein_' <<<"$exported"; then
                echo "$lib: exports names that do not begin with rein_:" $(grep -v '^rein_' <<<"$exported") >&2
                bad=1
        fi
        if [ "$(wc -w <<<"$words")" != 1 ]; then
                echo "$lib: has $(wc -w <<<"$words") thread-local words, not one:" $words >&2
                bad=1
        fi
        return $bad
}

# Nothing calls the end of a failed check, nothing asks records at the boundary or after a step, and no assertion has left
# its sentence. What a simulation asks of executors in a release too is not among these.
check_unchecked() { # ARCHIVE
        local checks
        checks=$(nm "$1" 2>/dev/null | awk '$NF ~ /^rn_(check_failed|world_wrong|[a-z]+_ask)$/ { print $NF }' | sort -u)
        if grep -qa 'this is not true' "$1"; then
                checks+=" (sentences of assertions)"
        fi
        if [ -n "$checks" ]; then
                echo "$1: a release has the library's own checks in it:" $checks >&2
                return 1
        fi
}

selftest() {
        local wrong=0
        dir=$(mktemp -d) # not local: the trap runs after this function
        trap 'rm -rf "$dir"' EXIT
        mkdir "$dir/include"
        cat >"$dir/include/a.h" <<'C'
#define REIN_API __attribute__((visibility("default")))
/* REIN_API int rein_in_a_comment(void); */
REIN_API int rein_a(void);
REIN_API const char *rein_b(void (*f)(int), int);
C
        local clean='#include "a.h"
                static __thread void *word; int rein_a(void) { return word != 0; }
                const char *rein_b(void (*f)(int), int n) { f(n); word = &word; return 0; }'
        try() { # WHAT EXPECTED SOURCE
                local got=ok
                echo "$3" | gcc -shared -fPIC -fvisibility=hidden -I "$dir/include" -x c -o "$dir/lib.so" -
                check "$dir/lib.so" "$dir/include" 2>/dev/null || got=bad
                if [ $got != "$2" ]; then
                        echo "check_symbols --selftest: $1: expected $2, got $got" >&2
                        wrong=1
                fi
        }
        local show='__attribute__((visibility("default")))'
        try "a clean library" ok "$clean"
        try "a foreign name" bad "$clean $show int helper(void) { return 1; }"
        try "foreign data" bad "$clean $show int helper = 1;"
        try "an undeclared name" bad "$clean $show int rein_c(void) { return 1; }"
        try "a missing function" bad "${clean/rein_a(void) \{/rein_a(void); static __attribute__((used)) int a(void) \{}"
        try "a second thread-local" bad "$clean static __thread int two; int f(void); int f(void) { return two++; }"
        try "no thread-local" bad "${clean/__thread/}"
        try_checks() { # WHAT EXPECTED FLAGS
                local got=ok
                printf '%s\n' '#include "plat/check.h"' 'int f(int); int f(int n) { RN_ASSERT(n > 0, "n"); return n; }' |
                        gcc -c $3 -I "$(dirname "$0")/../src" -x c -o "$dir/a.o" -
                rm -f "$dir/lib.a"
                ar rc "$dir/lib.a" "$dir/a.o"
                check_unchecked "$dir/lib.a" 2>/dev/null || got=bad
                if [ $got != "$2" ]; then
                        echo "check_symbols --selftest: $1: expected $2, got $got" >&2
                        wrong=1
                fi
        }
        try_checks "a release" ok ""
        try_checks "checks in a release" bad -DRN_DEBUG=1
        [ $wrong = 0 ] || return 1
        echo "check_symbols.sh --selftest: all 7 planted violations found, clean libraries accepted"
}

case ${1:-} in
--selftest) selftest ;;
"") sed -n 's/^# Usage: /usage: /p' "$0" >&2; exit 2 ;;
*) check "$1/librein.so" "$(dirname "$0")/../include/rein" && check_unchecked "$1/librein.a" ;;
esac
