#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Starts a daemon in the classic way (a new session, two forks, the parents gone) and ends itself with status 0. The
# daemon ignores SIGTERM when $2 is "stubborn", and creates the file $1 when it is ready.
if [ "$2" = stubborn ]; then
        trap '' TERM
fi
(setsid sh -c "(touch '$1'; while :; do sleep 1000; done) &" >/dev/null 2>&1 &)
until test -e "$1"; do sleep 0.01; done
