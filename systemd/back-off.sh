#!/bin/sh
# Before each start of a service: where the life before was short, waits, each time twice as long. systemd's own back-off
# (RestartSteps=, from 254 on) never forgets: after some ends within a year, it would always wait longest.
#   started, pause   of the life before, in milliseconds
#   ready            whether that life had been ready: one that has shown that it can work is back within a second

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
