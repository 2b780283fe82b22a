#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of one build directory, each in a process of its own. Usage: scripts/run_tests.sh BUILD_DIR [ctest args]
# The stress tests run only when REIN_STRESS_SECONDS or REIN_STRESS_COUNT says for how long.
set -euo pipefail

dir=$1
shift
select=(-LE stress)
[ -z "${REIN_STRESS_SECONDS:-}${REIN_STRESS_COUNT:-}" ] || select=()

# ThreadSanitizer of clang 14 knows no address space with more than 28 random bits.
run=()
if grep -q 'REIN_SANITIZE:STRING=thread' "$dir/CMakeCache.txt" && [ "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0)" -gt 28 ]; then
        run=(setarch --addr-no-randomize)
fi

"${run[@]}" ctest --test-dir "$dir" --output-on-failure --no-tests=error -j "$(nproc)" "${select[@]}" "$@"
