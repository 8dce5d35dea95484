#!/bin/sh
# systemctl reload: asks a service to read its settings again, and ends when it has. Where it has kept those that it had, it
# says why, and ends with exit code 1. Source: systemd.service(5), ExecReload=.

answer=$RUNTIME_DIRECTORY/reload
patience_s=20

rm -f "$answer"
kill -HUP "$MAINPID"
deadline=$(($(date +%s) + patience_s))
until [ -e "$answer" ]; do
  kill -0 "$MAINPID" || exit 1
  if [ "$(date +%s)" -gt "$deadline" ]; then
    echo "the service has not said within $patience_s s whether it has taken over its settings" >&2
    exit 1
  fi
  sleep 0.05
done
[ -s "$answer" ] || exit 0
cat "$answer" >&2
exit 1
