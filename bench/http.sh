#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# examples/http_service under wrk, and the same routes on plain libuv (http_uv.c): the fast route alone, and while a
# second wrk floods the stuck one. Interleaved; prints a row `service,flood,requests/s,p50,p99,errors` a run.
# Usage: bench/http.sh [ROUNDS [SECONDS]]     BUILD=DIR: another build directory than build/release
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build/release} rounds=${1:-5} seconds=${2:-5}
pids=()
trap 'kill -KILL "${pids[@]}" 2>/dev/null || true' EXIT

# SERVICE FLOOD PORT COMMAND...
measure() {
        local service=$1 flood=$2 port=$3 out
        shift 3
        "$@" >/dev/null 2>&1 &
        pids=($!)
        until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
        if [ "$flood" != 0 ]; then
                wrk -t1 -c"$flood" -d$((seconds + 2))s --timeout 60 "http://127.0.0.1:$port/stuck" >/dev/null 2>&1 &
                pids+=($!)
                sleep 1
        fi
        out=$(wrk -t1 -c8 -d"${seconds}s" --latency "http://127.0.0.1:$port/fast?x")
        awk -v OFS=, -v s="$service" -v f="$flood" '/50%/ {p50 = $2} /99%/ {p99 = $2} /Requests\/sec/ {r = $2}
                /Socket errors/ {e = $0} /Non-2xx/ {e = e $0} END {print s, f, r, p50, p99, e}' <<<"$out"
        { kill -KILL "${pids[@]}" && wait; } 2>/dev/null || true
        pids=()
}

for ((i = 0; i < rounds; i++)); do
        for flood in 0 64; do
                measure rein $flood 18181 "$build/examples/http_service" 18181
                measure libuv $flood 18182 "$build/bench/http_uv" 18182
        done
done
