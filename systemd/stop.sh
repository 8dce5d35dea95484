#!/bin/sh
# stop.sh TARGET PATTERN...: if the target is being stopped, and not restarted, stops the units in this order and waits for them. It
# ignores their dependencies, by which they would wait for the target, which waits for this script.

target=$1
shift
[ "$(systemctl list-jobs --no-legend "$target" | awk '{ print $3 }')" = stop ] || exit 0
for pattern; do systemctl stop --job-mode=ignore-dependencies "$pattern"; done
