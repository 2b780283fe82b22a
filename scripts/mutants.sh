#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Is a fault noticed? Plants the faults of tests/mutants one at a time, and runs what should notice each. Usage and the
# meaning of the table: scripts/mutants.py. Exit status 0: each was noticed as its definition says.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$*" != --check ] && [ "$*" != --selftest ]; then
        scripts/setup.sh check
fi
exec python3 scripts/mutants.py "$@"
