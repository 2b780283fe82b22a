#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs a build into an empty prefix and uses it the ways a user would: every header alone, then hello.c from C11 and
# C++20, by gcc and clang, found by pkg-config and by find_package, shared and static; the adapters with libuv and GLib.
# Usage: tests/install/run.sh BUILD_DIR. Without clang its part is left out, loudly, and so are the adapters without their
# libraries; with REIN_REQUIRE_CLANG=1 or REIN_REQUIRE_GUESTS=1 that fails.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
warnings="-Wall -Wextra -Wpedantic -Werror"

pairs=("gcc g++")
if command -v clang >/dev/null && command -v clang++ >/dev/null; then
        pairs+=("clang clang++")
elif [ -n "${REIN_REQUIRE_CLANG:-}" ]; then
        echo "install: clang is required here and not installed" >&2
        exit 1
else
        echo "install: NOT TESTED WITH CLANG: it is not installed (make check does)"
fi

guests="libuv glib-2.0"
if ! pkg-config --exists $guests; then
        if [ -n "${REIN_REQUIRE_GUESTS:-}" ]; then
                echo "install: $guests are required here and not installed" >&2
                exit 1
        fi
        echo "install: NOT TESTED AS A GUEST: $guests are not installed (make check does)"
        guests=""
fi

env -u DESTDIR cmake --install "$build" --prefix "$prefix" >"$work/install.log" || { cat "$work/install.log"; exit 1; }
# A tree that was moved must still be found.
mv "$prefix" "$work/moved"
prefix=$work/moved
pc=$(find "$prefix" -name rein.pc)
export PKG_CONFIG_PATH=${pc%/*}
libdir=$(pkg-config --variable=libdir rein)
version=$(pkg-config --modversion rein)
cp "$here/hello.c" "$work/hello.c"
cp "$here/hello.c" "$work/hello.cpp"
passed=0

try() { # WHAT PROGRAM
        if ! LD_LIBRARY_PATH=$libdir "$2" "$version"; then
                echo "install: $1: failed" >&2
                exit 1
        fi
        passed=$((passed + 1))
}

for pair in "${pairs[@]}"; do
        read -r cc cxx <<<"$pair"
        for header in "$prefix"/include/rein/*.h; do
                case ${header##*/} in uv.h | glib.h) continue ;; esac # in guest.c
                echo "#include <rein/${header##*/}>" >"$work/alone.c"
                cp "$work/alone.c" "$work/alone.cpp"
                $cc -std=c11 $warnings -fsyntax-only -I "$prefix/include" "$work/alone.c"
                $cxx -std=c++20 $warnings -fsyntax-only -I "$prefix/include" "$work/alone.cpp"
        done
        # g++ -Wextra wants every field of a designated initializer, against its meaning; g++ alone.
        for compile in "$cc -std=c11 $work/hello.c" "$cxx -std=c++20 -Wno-missing-field-initializers $work/hello.cpp"; do
                $compile $warnings -o "$work/shared" $(pkg-config --cflags --libs rein)
                readelf -d "$work/shared" | grep -q 'librein\.so\.0' ||
                        { echo "install: $compile: not linked with librein.so.0" >&2; exit 1; }
                try "$compile, pkg-config, shared" "$work/shared"
                $compile $warnings -o "$work/static" $(pkg-config --cflags rein) \
                        -Wl,-Bstatic $(pkg-config --static --libs rein) -Wl,-Bdynamic
                ! readelf -d "$work/static" | grep -q librein || { echo "install: $compile: not static" >&2; exit 1; }
                try "$compile, pkg-config, static" "$work/static"
        done
        for compile in ${guests:+"$cc -std=c11 -xc" "$cxx -std=c++20 -Wno-missing-field-initializers -xc++"}; do
                # C11 alone hides what libuv's header wants of POSIX.
                $compile "$here/guest.c" -xnone $warnings -D_POSIX_C_SOURCE=200809L -o "$work/guest" \
                        $(pkg-config --cflags --libs rein $guests | sed 's/-I\(\S*glib\)/-isystem \1/g')
                try "$compile, the adapters" "$work/guest"
        done
        $cc -std=c11 $warnings -o "$work/sim" "$here/sim.c" $(pkg-config --cflags --libs rein-sim-pthread)
        try "$cc, pkg-config, the layer for pthreads" "$work/sim"
        cmake -S "$here" -B "$work/$cc" -DCMAKE_C_COMPILER=$cc -DCMAKE_CXX_COMPILER=$cxx \
                -DCMAKE_PREFIX_PATH="$prefix" >"$work/cmake.log" 2>&1 && cmake --build "$work/$cc" >>"$work/cmake.log" 2>&1 ||
                { cat "$work/cmake.log"; exit 1; }
        for program in c_rein c_rein_static cxx_rein cxx_rein_static sim_rein sim_rein_static; do
                try "$cc/$cxx, find_package, $program" "$work/$cc/$program"
        done
done

# What one reads: the macro with its parameters, its codes and an example; the guide, whose links lead somewhere.
mandir=$prefix/share/man docdir=$prefix/share/doc/rein
for page in man3/rein_submit.3 man3/rein_wait_any.3 man3/rein_pool_opts.3 man7/rein-scope.7 man7/rein.7; do
        [ -s "$mandir/$page" ] || { echo "install: $page was not installed" >&2; exit 1; }
done
for file in README.md docs/guide.md docs/decisions/0001-places-are-strings.md examples/first_steps.c; do
        [ -s "$docdir/$file" ] || { echo "install: share/doc/rein/$file was not installed" >&2; exit 1; }
done
if command -v man >/dev/null; then
        page=$(MANWIDTH=200 man -M "$mandir" rein_submit)
        for text in 'rein_submit(rein_executor \*x, rein_fn fn, void \*arg,' 'const rein_job \*job);' REIN_EREJECTED -ENOMEM EXAMPLES; do
                grep -q -e "$text" <<<"$page" || { echo "install: man rein_submit does not say: $text" >&2; exit 1; }
        done
        for name in rein_wait_any rein-scope rein_cancel_at; do
                man -M "$mandir" "$name" | grep -q 'SEE ALSO' || { echo "install: man $name: no page" >&2; exit 1; }
        done
elif [ -n "${REIN_REQUIRE_MAN:-}" ]; then
        echo "install: man is required here and not installed" >&2
        exit 1
else
        echo "install: NOT READ WITH MAN: it is not installed (make check does)"
fi
gcc -std=gnu11 -o "$work/first_steps" "$docdir/examples/first_steps.c" \
        $(pkg-config --cflags --libs rein)
LD_LIBRARY_PATH=$libdir "$work/first_steps" >"$work/first_steps.out" || { cat "$work/first_steps.out"; exit 1; }

if [ -x "$build/rein" ]; then
        [ -x "$prefix/bin/rein" ] || { echo "install: the command rein was not installed" >&2; exit 1; }
        "$prefix/bin/rein" --version >/dev/null
fi
echo "install: $passed programs built and run against the installed rein $version"
