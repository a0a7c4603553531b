#!/usr/bin/env bash
# Runs every night: draws the cases that the supervisor calls back the next day.
cd /app || exit 1
every=$(sed -n 's/^every=\([0-9]*\).*/\1/p' conf/backcheck.conf)
awk -F, -v every="$every" '$1 != "case" && ++n % every == 0 { print $1 "," $2 }' data/results.csv > var/call_back.csv
