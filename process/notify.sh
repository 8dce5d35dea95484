#!/bin/sh
# Hands lines on to systemd, one message each, for a process that cannot itself: Node.js has no unix datagram sockets. It says
# nothing of its own, so a process that hangs is silent and its watchdog sees that. Ends with the process, whose pipe it reads.

trap '' HUP INT TERM

while IFS= read -r line; do systemd-notify "$line"; done
