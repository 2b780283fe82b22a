# SPDX-License-Identifier: Apache-2.0
# The front door: everything one does with this repository is a target here. The work is done by CMake (CMakeLists.txt,
# CMakePresets.json) and by scripts/. Programs that are missing are installed by `setup` from Debian's own packages.
#
#   make run        build it and see it work: hash every header under /usr/include with a deadline and retries
#   make test       build with asserts and run the tests
#   make check      everything else that must hold: sanitizers, static checks, installation
#   make bench      build and run the benchmarks
#   make docs       the reference as HTML, in build/docs/html
#   make install    PREFIX=/usr/local, DESTDIR is honoured
#   make format     let clang-format lay out the sources
#   make clean      remove build/

PREFIX ?= /usr/local
JOBS ?= $(shell nproc)

.PHONY: help setup run test bench check install docs clean format dev release

help:
	@sed -n 's/^#   //p' Makefile

setup:
	@scripts/setup.sh build

dev release: setup
	@cmake --preset $@ -DREIN_BENCH=OFF >build/$@.configure.log 2>&1 || { cat build/$@.configure.log; exit 1; }
	@cmake --build build/$@ -j $(JOBS)

dev release: | build
build:
	@mkdir -p build

run: release
	@scripts/run_demo.sh build/release

# With REIN_STRESS_SECONDS or REIN_STRESS_COUNT in the environment the stress tests run too, shortened by them.
test: dev
	@scripts/run_tests.sh build/dev

check:
	@scripts/check.sh

bench: | build
	@scripts/setup.sh bench
	cmake --preset release -DREIN_BENCH=ON
	cmake --build build/release -j $(JOBS)
	bench/run.sh

install: release
	cmake --install build/release --prefix "$(PREFIX)"
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

docs: | build
	@scripts/setup.sh docs
	@scripts/docs.sh

format:
	@scripts/setup.sh check
	@scripts/format.sh

clean:
	rm -rf build
