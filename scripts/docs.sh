#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the reference as HTML from include/rein and docs, in build/docs/html, and the manual pages in build/docs/man. A warning of doxygen's is an error, and so are
# a link that leads nowhere, the path of this checkout in the output, and a macro without the parameters that it takes.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^project(rein VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
rm -rf build/docs
mkdir -p build/docs
doxygen - <<CONFIG
PROJECT_NAME           = rein
PROJECT_NUMBER         = $version
PROJECT_BRIEF          = "Concurrent work that can always be stopped"
OUTPUT_DIRECTORY       = build/docs
INPUT                  = README.md CHANGELOG.md CONTRIBUTING.md include/rein docs
FILE_PATTERNS          = *.h *.md
RECURSIVE              = YES
USE_MDFILE_AS_MAINPAGE = README.md
FILTER_PATTERNS        = *.h=scripts/doc_filter.py *.md=scripts/doc_filter.py
OPTIMIZE_OUTPUT_FOR_C  = YES
JAVADOC_AUTOBRIEF      = YES
EXTRACT_ALL            = YES
STRIP_FROM_PATH        = "$PWD/include" "$PWD"
STRIP_FROM_INC_PATH    = "$PWD/include"
MACRO_EXPANSION        = YES
EXPAND_ONLY_PREDEF     = YES
PREDEFINED             = REIN_API= REIN_MUST= "REIN_PRINTF(f,a)="
GENERATE_LATEX         = NO
HAVE_DOT               = NO
QUIET                  = YES
WARN_AS_ERROR          = FAIL_ON_WARNINGS
WARN_IF_DOC_ERROR      = YES
CONFIG
mkdir -p build/docs/html/examples
cp examples/*.c build/docs/html/examples
scripts/check_links.py --html build/docs/html "$PWD"
if grep -rl 'class="paramname"><em>place</em>' build/docs/html; then
        echo "docs: these show the function behind a macro, not what a caller writes" >&2
        exit 1
fi
# The pages as they are installed.
scripts/pages.py --check build/docs/doc
# The manual pages: what two readers of them do not complain about. An alias (.so) has nothing to complain about.
scripts/man.py build/docs/man
grep -L "^\.so " build/docs/man/man?/* | xargs mandoc -T lint -W style
mandoc -T lint -W error docs/man/*.1
wrong=$(cd build/docs/man && find man? -type f -exec man --warnings -l {} \; 2>&1 >/dev/null)
[ -z "$wrong" ] || { echo "docs: man --warnings: $wrong" >&2; exit 1; }
# apropos and whatis find a page by its NAME.
grep -L '^\.so ' build/docs/man/man?/* | while read -r page; do
        lexgrog "$page" >/dev/null || { echo "docs: $page: its NAME is not understood" >&2; exit 1; }
done
echo "docs: build/docs/html/index.html"
