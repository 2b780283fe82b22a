#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Lets clang-format lay out the sources. Usage: scripts/format.sh [--check]: only say what would change, and fail.
# The public headers are not touched: their columns of comments are laid out by hand.
set -euo pipefail
cd "$(dirname "$0")/.."

folders=()
for folder in src cmd tests examples bench; do
        [ ! -d $folder ] || folders+=($folder)
done
how=(-i)
[ "${1:-}" != --check ] || how=(--dry-run -Werror)
find "${folders[@]}" \( -name '*.c' -o -name '*.h' -o -name '*.cpp' \) -print0 | xargs -0 -r clang-format "${how[@]}"
