#!/usr/bin/env bash
# Runs every evening: writes down for the privacy officer which shelves were released unread.
cd /app || exit 1
shelves=$(sed -n 's/^shelves=//p' conf/watch.conf)
grep -E "^($shelves)," data/releases.csv >> var/privacy_watch.log
