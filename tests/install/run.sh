#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs a build into an empty prefix and uses it the ways a user would: every header alone, then hello.c from C11 and
# C++20, by gcc and clang, found by pkg-config and by find_package, shared and static.
# Usage: tests/install/run.sh BUILD_DIR. Without clang its part is left out, loudly; with REIN_REQUIRE_CLANG=1 that fails.
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
        $cc -std=c11 $warnings -o "$work/sim" "$here/sim.c" $(pkg-config --cflags --libs rein-sim-pthread)
        try "$cc, pkg-config, the layer for pthreads" "$work/sim"
        cmake -S "$here" -B "$work/$cc" -DCMAKE_C_COMPILER=$cc -DCMAKE_CXX_COMPILER=$cxx \
                -DCMAKE_PREFIX_PATH="$prefix" >"$work/cmake.log" 2>&1 && cmake --build "$work/$cc" >>"$work/cmake.log" 2>&1 ||
                { cat "$work/cmake.log"; exit 1; }
        for program in c_rein c_rein_static cxx_rein cxx_rein_static sim_rein sim_rein_static; do
                try "$cc/$cxx, find_package, $program" "$work/$cc/$program"
        done
done

if [ -x "$build/rein" ]; then
        [ -x "$prefix/bin/rein" ] || { echo "install: the command rein was not installed" >&2; exit 1; }
        "$prefix/bin/rein" --version >/dev/null
fi
echo "install: $passed programs built and run against the installed rein $version"
