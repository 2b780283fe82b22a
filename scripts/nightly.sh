#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The four storms of tests/stress at full length: natively (20 million futures, 80,000 pokes), then under the address and
# the thread sanitizer, where the pokes are as many and the futures as many as fit in a time. Takes about two hours; one
# storm at a time. Usage: scripts/nightly.sh [dev|asan|tsan]...
#   REIN_NIGHTLY_SECONDS  how long a storm that is bounded by time runs under a sanitizer; default 600
# That a storm says it passed is not enough: it must have counted to what is asked here. Logs stay in build/nightly.
set -uo pipefail
cd "$(dirname "$0")/.."

seconds=${REIN_NIGHTLY_SECONDS:-600}
logs=build/nightly
failed=()

# Did LOG count at least LEAST of what REGEX, with one group for the number, finds? Says what it counted.
reached() { # LOG LEAST REGEX
        local n
        n=$(sed -nE "s/.*$3.*/\1/p" "$1" | head -1)
        echo "nightly:     ${n:-nothing} of $2: $3"
        [ "${n:-0}" -ge "$2" ]
}

storm() { # BUILD NAME "VARIABLE=VALUE ..." [LEAST REGEX]...
        local build=$1 name=$2 settings log=$logs/$1-$2.log began=$SECONDS status=0 run=()
        read -ra settings <<<"$3"
        shift 3
        # As ctest runs it, but without its time limit: the storms' own watchdog ends what does not move.
        local environment
        mapfile -t environment < <(ctest --test-dir "build/$build" --show-only=json-v1 -R "^stress/$name\$" |
                python3 -c 'import json, sys
for p in json.load(sys.stdin)["tests"][0]["properties"]:
    if p["name"] == "ENVIRONMENT":
        print("\n".join(p["value"]))')
        # ThreadSanitizer of clang 14 knows no address space with more than 28 random bits.
        [ "$build" != tsan ] || run=(setarch --addr-no-randomize)
        (cd "build/$build" && exec env -u REIN_STRESS_SECONDS -u REIN_STRESS_COUNT "${environment[@]}" "${settings[@]}" \
                nice "${run[@]}" "tests/stress/${name}_test") >"$log" 2>&1 || status=$?
        echo "nightly: $build $name: status $status after $((SECONDS - began)) s"
        while [ $# -ge 2 ]; do
                reached "$log" "$1" "$2" || status=1
                shift 2
        done
        [ $status = 0 ] && return
        tail -n 40 "$log"
        failed+=("$build/$name")
}

selftest() {
        local log=$logs/selftest.log
        echo "41 futures in 1.0 s: 12 good" >"$log"
        reached "$log" 41 '^([0-9]+) futures in' >/dev/null && ! reached "$log" 42 '^([0-9]+) futures in' >/dev/null &&
                ! reached "$log" 1 '^([0-9]+) promises,' >/dev/null
}

futures='^([0-9]+) futures in' promises='^([0-9]+) promises,' pools='^([0-9]+) pools in' nodes='^([0-9]+) nodes in'
pokes='pokes: .* ([0-9]+) in it' functions='functions: .* ([0-9]+) in it' trees='[0-9]+ rounds, ([0-9]+) jobs'

native() {
        storm dev future_storm "" 20000000 "$futures" 1000000 "$promises"
        storm dev poke "" 80000 "$pokes" 80000 "$functions"
        storm dev stop_storm "" 20000 "$pools" 2000000 "$nodes"
        storm dev tree_storm "REIN_STRESS_SECONDS=$seconds" 1000000 "$trees"
}

sanitized() { # BUILD FUTURES PROMISES POOLS NODES JOBS, the least of each
        storm "$1" future_storm "REIN_STRESS_COUNT=20000000 REIN_STRESS_SECONDS=$seconds" "$2" "$futures" "$3" "$promises"
        storm "$1" poke "REIN_STRESS_COUNT=80000" 80000 "$pokes" 80000 "$functions"
        storm "$1" stop_storm "" "$4" "$pools" "$5" "$nodes"
        storm "$1" tree_storm "REIN_STRESS_SECONDS=$seconds" "$6" "$trees"
}

mkdir -p $logs
selftest || { echo "nightly: its own check of the counts cannot fail" >&2; exit 1; }
builds=("$@")
[ ${#builds[@]} -gt 0 ] || builds=(dev asan tsan)
for build in "${builds[@]}"; do
        { cmake --preset "$build" && cmake --build "build/$build" -j "$(nproc)"; } >"$logs/$build.build.log" 2>&1 ||
                { cat "$logs/$build.build.log"; exit 1; }
        case $build in
        dev) native ;;
        asan) sanitized asan 1250000 62500 5000 500000 100000 ;;
        tsan) sanitized tsan 312500 15625 2500 250000 100000 ;;
        *) echo "nightly: no build '$build'" >&2; exit 2 ;;
        esac
done
[ ${#failed[@]} = 0 ] || { echo "nightly: failed: ${failed[*]}" >&2; exit 1; }
echo "nightly: all storms passed"
