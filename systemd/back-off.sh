#!/bin/sh
# Runs before each start of a service. If the service ended soon after its last start, this waits, each time twice as long. systemd's
# own back-off (RestartSteps=, since 254) is never reset: after a few failures within a year, it would always wait longest.
#   started, pause   when the last run started, and the pause before it, in milliseconds
#   ready            exists if the last run became ready: a service that has shown that it works is back within a second

state=$RUNTIME_DIRECTORY
well_after=10000 longest=10000 longest_ready=1000 first=100

now=$(date +%s%3N)

pause=0
if [ -e "$state/started" ]; then
  [ -e "$state/ready" ] && longest=$longest_ready
  if [ $((now - $(cat "$state/started"))) -lt $well_after ]; then
    pause=$(($(cat "$state/pause") * 2))
    [ "$pause" -lt $first ] && pause=$first
    [ "$pause" -gt $longest ] && pause=$longest
  fi
fi
rm -f "$state/ready"
echo "$pause" >"$state/pause"
echo $((now + pause)) >"$state/started"
[ "$pause" -eq 0 ] || exec sleep "$((pause / 1000)).$(printf %03d $((pause % 1000)))"
