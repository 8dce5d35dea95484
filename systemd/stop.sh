#!/bin/sh
# stop.sh TARGET PATTERN...: where the target is being stopped, and not restarted, stops units and waits for them, in this order.
# Without regard to their dependencies, by which they wait for the target, which waits for this.

target=$1
shift
[ "$(systemctl list-jobs --no-legend "$target" | awk '{ print $3 }')" = stop ] || exit 0
for pattern; do systemctl stop --job-mode=ignore-dependencies "$pattern"; done
