#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Everything beyond the tests that must hold. Usage: scripts/check.sh [lane]...     default: all, in this order.
#   scripts  the repository's own checks: doors, layers, calls, links, fairness, manual pages, words, names; each first shows
#            that it can fail
#   docs     the reference as HTML and the manual pages: no warning, no dead link
#   static   clang-format, clang-tidy, cppcheck
#   install  install the release build, use it from C and C++ by gcc and clang, and with their sanitizers; its exported symbols
#   sim      a million simulated schedules of the scenarios in tests/sim (REIN_SIM_COUNT: another number)
#   selftest the explorer finds every planted bug, and nothing in its mended twin
#   explore  the scenarios of tests/explore under every schedule, or as many as their bound allows
#   asan     all tests under the address and undefined-behaviour sanitizers (clang)
#   tsan     all tests under the thread sanitizer (clang)
#   arm      the library for aarch64 by a cross compiler; the tests of src/coro under qemu
#   mutants  twenty of the faults of tests/mutants, planted one at a time, are noticed (REIN_MUTANTS: another number, or all)
#   nightly  the storms of tests/stress at full length, about two hours: only when asked for by name
# Every lane runs even when one before it failed; the exit status tells whether all passed.
set -uo pipefail
cd "$(dirname "$0")/.."

lane_scripts() {
        local check
        local -A only=([scripts/mutants.sh]=--check [scripts/weave.py]=--check)
        for check in scripts/check_doors.py scripts/check_layers.py scripts/check_calls.py scripts/check_links.py \
                scripts/check_docs.py scripts/check_fair.py scripts/man.py scripts/check_words.py \
                scripts/check_names.py scripts/mutants.sh scripts/weave.py; do
                "$check" --selftest && "$check" ${only[$check]:-} || return
        done
        scripts/check_symbols.sh --selftest
}

lane_docs() {
        scripts/setup.sh docs && scripts/docs.sh
}

lane_static() {
        local sources
        scripts/format.sh --check || return
        cmake --preset asan >build/asan.configure.log 2>&1 || { cat build/asan.configure.log; return 1; }
        # The compile commands of the asan build: clang's own flags, and the checks of RN_DEBUG seen by the analyzer.
        mapfile -t sources < <(find src cmd -name '*.c' ! -name '*_test.c' 2>/dev/null | sort)
        printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P "$(nproc)" clang-tidy --quiet -p build/asan 2>build/tidy.log
        local tidy=$?
        if [ $tidy != 0 ]; then
                grep -v 'warnings generated' build/tidy.log
                echo "clang-tidy: see above"
                return 1
        fi
        cppcheck --quiet --std=c11 --enable=warning,portability,performance --inline-suppr --error-exitcode=1 \
                --suppressions-list=scripts/cppcheck.suppress -j "$(nproc)" -I include -I src -D__GNUC__ -D__linux__ \
                -D__x86_64__ "${sources[@]}"
}

lane_install() {
        cmake --preset release -DREIN_BENCH=OFF >build/release.configure.log 2>&1 ||
                { cat build/release.configure.log; return 1; }
        cmake --build build/release -j "$(nproc)" && scripts/check_symbols.sh build/release &&
                REIN_REQUIRE_CLANG=1 REIN_REQUIRE_GUESTS=1 REIN_REQUIRE_MAN=1 tests/install/run.sh build/release && tests/install/readme.sh build/release &&
                REIN_REQUIRE_CLANG=1 tests/install/sanitized.sh build/release
}

sanitized() { # PRESET
        REIN_REQUIRE_GUESTS=1 cmake --preset "$1" >"build/$1.configure.log" 2>&1 ||
                { cat "build/$1.configure.log"; return 1; }
        cmake --build "build/$1" -j "$(nproc)" && scripts/run_tests.sh "build/$1"
}

# Half of the scenarios on each of two processors. Each fails when it did less than its half of the count.
lane_sim() {
        cmake --preset dev -DREIN_BENCH=OFF >build/dev.configure.log 2>&1 || { cat build/dev.configure.log; return 1; }
        cmake --build build/dev -j "$(nproc)" --target test_sim_scenarios || return
        local count=${REIN_SIM_COUNT:-1000000} status=0 half
        REIN_SIM_PART=1/2 REIN_SIM_COUNT=$count build/dev/tests/sim/scenarios_test >build/sim.1.log 2>&1 &
        REIN_SIM_PART=2/2 REIN_SIM_COUNT=$count build/dev/tests/sim/scenarios_test >build/sim.2.log 2>&1 || status=1
        wait $! || status=1
        for half in 1 2; do
                cat build/sim.$half.log
        done
        return $status
}

lane_selftest() {
        local ran
        cmake --preset explore >build/explore.configure.log 2>&1 || { cat build/explore.configure.log; return 1; }
        cmake --build build/explore -j "$(nproc)" --target explore || return
        build/explore/tests/explore/explore --selftest | tee build/explore.selftest.log || return
        ran=$(sed -n 's/^selftest: \([0-9]*\) planted bugs ran.*/\1/p' build/explore.selftest.log)
        [ "${ran:-0}" -ge 20 ] || { echo "selftest: only ${ran:-0} planted bugs ran"; return 1; }
}

lane_asan() { sanitized asan; }
lane_tsan() { sanitized tsan; }

lane_explore() {
        cmake --preset explore >build/explore.configure.log 2>&1 || { cat build/explore.configure.log; return 1; }
        cmake --build build/explore -j "$(nproc)" --target test_explore_scenarios &&
                build/explore/tests/explore/scenarios_test
}

lane_mutants() {
        case ${REIN_MUTANTS:-20} in
        all) scripts/mutants.sh ;;
        *) scripts/mutants.sh --random "${REIN_MUTANTS:-20}" ;;
        esac
}

lane_nightly() { scripts/nightly.sh; }

lane_arm() {
        local build=build/arm test object
        # Every object with landing pads (BTI): one without would take them from the whole library.
        cmake -S . -B $build -G Ninja -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
                -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc -DCMAKE_C_FLAGS=-mbranch-protection=standard \
                -DCMAKE_BUILD_TYPE=Debug -DREIN_DEBUG=ON -DREIN_WERROR=ON -DREIN_COMMAND=OFF -DREIN_EXAMPLES=OFF \
                -DBUILD_TESTING=OFF >build/arm.configure.log 2>&1 || { cat build/arm.configure.log; return 1; }
        cmake --build $build -j "$(nproc)" || return
        while read -r object; do
                aarch64-linux-gnu-readelf -n "$object" | grep -q 'AArch64 feature: BTI' ||
                        { echo "$object: not marked for BTI"; return 1; }
        done < <(find $build -name '*.o')
        for test in "coro $build/librein.a" "ucontext src/coro/coro.c src/coro/switch_ucontext.c $build/librein.a"; do
                # shellcheck disable=SC2086 # words on purpose
                aarch64-linux-gnu-gcc -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -fno-omit-frame-pointer \
                        -fstack-clash-protection -mbranch-protection=standard -static -pthread -I tests/arm -I src \
                        -I include -o "$build/${test%% *}_test" src/coro/coro_test.c ${test#* } -lm || return
                qemu-aarch64 "$build/${test%% *}_test" || return
        done
}

mkdir -p build
scripts/setup.sh check || exit
failed=()
lanes=("$@")
[ ${#lanes[@]} -gt 0 ] || lanes=(scripts docs static install sim selftest explore arm asan tsan mutants)
for lane in "${lanes[@]}"; do
        if ! declare -F "lane_$lane" >/dev/null; then
                echo "check: no lane '$lane'" >&2
                exit 2
        fi
        echo "check: lane $lane"
        began=$SECONDS
        if "lane_$lane"; then
                echo "check: lane $lane passed ($((SECONDS - began)) s)"
        else
                echo "check: lane $lane FAILED ($((SECONDS - began)) s)"
                failed+=("$lane")
        fi
done
[ ${#failed[@]} = 0 ] || { echo "check: failed: ${failed[*]}" >&2; exit 1; }
