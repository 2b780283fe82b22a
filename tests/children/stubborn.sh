#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Ignores what it is asked: creates the file $1 when it is ready and never ends.
trap '' TERM INT HUP
touch "$1"
while :; do sleep 1000; done
