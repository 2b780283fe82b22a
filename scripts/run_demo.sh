#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Lets the command work on something real: hashes every header under /usr/include, one process each, at most so many at
# once, each with a deadline and one retry, and prints what came of it. Usage: scripts/run_demo.sh BUILD_DIR
set -euo pipefail
cd "$(dirname "$0")/.."

rein=$1/rein
hashes=build/header-hashes.txt
report=build/run-report.json
if [ ! -x "$rein" ]; then
        echo "run: $rein was not built" >&2
        exit 1
fi

find /usr/include -name '*.h' -print | sort >build/headers.txt
echo "run: hashing $(wc -l <build/headers.txt) headers under /usr/include, $(nproc) at a time"
status=0
"$rein" run -j "$(nproc)" --timeout 30s --retries 1 --keep-order --progress auto --report "$report" \
        -- sha256sum '{}' <build/headers.txt >"$hashes" || status=$?

python3 - "$report" <<'PY'
import json, sys
with open(sys.argv[1], encoding="utf-8") as file:
    report = json.load(file)
end = report["summary"]
slowest = max(report["jobs"], key=lambda job: job["seconds"])
print("run:", ", ".join(f"{end[key]} {key.replace('_', ' ')}" for key in ("succeeded", "failed", "stopped", "never_started")))
print(f"run: {end['seconds']:.2f} s in all; the slowest job took {slowest['seconds'] * 1000:.1f} ms: {slowest['command'][-1]}")
PY
expected=$(xargs -d '\n' sha256sum <build/headers.txt | sha256sum)
if [ $status = 0 ] && [ "$expected" = "$(sha256sum <"$hashes")" ]; then
        echo "run: $(wc -l <"$hashes") hashes in $hashes, in order, equal to those of sha256sum alone; the report is $report"
else
        echo "run: exit status $status, and $hashes is not what sha256sum alone says" >&2
        exit 1
fi
