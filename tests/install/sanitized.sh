#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A program that is compiled with a sanitizer and linked with the library as it is installed: what is right gives no report,
# and a mistake is named, with the function that makes it. By gcc and clang, ThreadSanitizer and AddressSanitizer.
# Usage: tests/install/sanitized.sh BUILD_DIR. Without clang its part is left out, loudly; with REIN_REQUIRE_CLANG=1 that fails.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compilers=gcc
if command -v clang >/dev/null; then
        compilers="gcc clang"
elif [ -n "${REIN_REQUIRE_CLANG:-}" ]; then
        echo "sanitized: clang is required here and not installed" >&2
        exit 1
else
        echo "sanitized: NOT TESTED WITH CLANG: it is not installed (make check does)"
fi

# Of each kind of hand-over one: handed.c has them all.
right="$here/handed.c $(printf "$top/examples/%s.c " cancel_to_thread children errors_arrive feeder objects own_executor \
        own_threads pipeline rounds settle_from_anywhere stop_a_pool udp_ask)"
report='ThreadSanitizer|AddressSanitizer|LeakSanitizer|ASan is'

# Mistake, sanitizer, what it is called, the function that it is in. rein: says so itself.
mistakes="
future_after_drop                address heap-use-after-free  future_after_drop
future_after_drop                thread  heap-use-after-free  future_after_drop
future_dropped_twice             address heap-use-after-free  future_dropped_twice
future_dropped_twice             thread  heap-use-after-free  future_dropped_twice
await_after_drop                 address heap-use-after-free  await_after_drop
pool_freed_twice                 address heap-use-after-free  pool_freed_twice
pool_freed_twice                 thread  heap-use-after-free  pool_freed_twice
submit_after_free                address heap-use-after-free  submit_after_free
promise_after_drop               address heap-use-after-free  promise_after_drop
lock_after_free                  address heap-use-after-free  lock_after_free
lock_after_free                  thread  heap-use-after-free  lock_after_free
send_after_free                  address heap-use-after-free  send_after_free
continuation_removed_twice       address heap-use-after-free  continuation_removed_twice
child_after_free                 address heap-use-after-free  child_after_free
value_after_drop                 address heap-use-after-free  value_after_drop
value_given_and_freed            address double-free          value_given_and_freed
future_never_dropped             address detected.memory.leaks future_never_dropped
argument_on_a_stack_that_is_gone address stack-use-after      read_argument
past_the_end_in_a_coroutine      address stack-buffer-overflow write_past
two_jobs_write                   thread  data.race            add_to_shared
read_before_await                thread  data.race            write_shared
coroutine_and_job_write          thread  data.race            add_to_shared
race_in_a_simulation             thread  data.race            write_shared
"

# The addresses of a process must not be scattered for the runtimes of Debian 12, which stand 28 bits of that at most.
run() { # OUTPUT PROGRAM [ARGUMENT]
        local out=$1
        shift
        TSAN_OPTIONS=atexit_sleep_ms=0 ASAN_OPTIONS=detect_stack_use_after_return=1 timeout -k 5 60 setarch -R "$@" \
                >"$out" 2>&1 </dev/null
}

compile() { # COMPILER SANITIZER SOURCE PROGRAM
        "$1" -std=gnu11 -g -O1 -fno-omit-frame-pointer -fsanitize="$2" -I "$top/include" "$3" -o "$4" -L "$build" \
                -lrein -Wl,-rpath,"$build" -pthread
}

fail() { # WHAT OUTPUT
        head -60 "$2" >&2
        echo "sanitized: $1" >&2
        exit 1
}

try() { # COMPILER SANITIZER
        local cc=$1 with=$2 source name what function count=0 rc
        local dir=$work/$cc.$with
        mkdir "$dir"
        for source in $right; do
                name=$(basename "$source" .c)
                compile "$cc" "$with" "$source" "$dir/$name" || exit
                rc=0
                run "$dir/out" "$dir/$name" || rc=$?
                if grep -aqE "$report" "$dir/out"; then
                        fail "$name is right, and by $cc -fsanitize=$with there is a report" "$dir/out"
                fi
                [ $rc = 0 ] || fail "$name, by $cc -fsanitize=$with, ended with $rc" "$dir/out"
                count=$((count + 1))
        done
        compile "$cc" "$with" "$here/mistakes.c" "$dir/mistakes" || exit
        while read -r name sanitizer what function; do
                [ "$sanitizer" = "$with" ] || continue
                run "$dir/out" "$dir/mistakes" "$name" && fail "$name, by $cc -fsanitize=$with, is not told" "$dir/out"
                grep -aqE "Sanitizer: .*$what" "$dir/out" || fail "$name, by $cc -fsanitize=$with, is not called $what" "$dir/out"
                grep -aqE "^ +#[0-9]+ (0x[0-9a-f]+ in )?$function " "$dir/out" ||
                        fail "the report of $name, by $cc -fsanitize=$with, does not name $function" "$dir/out"
                count=$((count + 1))
        done <<<"$mistakes"
        echo "$count" >"$dir/count"
}

# One after the other for each compiler, the two compilers at once.
pids=""
for cc in $compilers; do
        { try $cc thread && try $cc address; } &
        pids="$pids $!"
done
status=0
for pid in $pids; do
        wait "$pid" || status=1
done
[ $status = 0 ] || exit 1
echo "sanitized: $(cat "$work"/*/count | paste -sd+ | bc) programs: no false report, no mistake untold"
