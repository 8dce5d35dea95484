#!/bin/sh
# systemctl reload: asks a service to read its settings again, and ends when it has. If the service kept its old settings, this
# prints the reason, and ends with exit code 1. Source: systemd.service(5), ExecReload=.

answer=$RUNTIME_DIRECTORY/reload
patience_s=20

rm -f "$answer"
kill -HUP "$MAINPID"
deadline=$(($(date +%s) + patience_s))
until [ -e "$answer" ]; do
  kill -0 "$MAINPID" || exit 1
  if [ "$(date +%s)" -gt "$deadline" ]; then
    echo "the service did not report within $patience_s s whether it applied its settings" >&2
    exit 1
  fi
  sleep 0.05
done
[ -s "$answer" ] || exit 0
cat "$answer" >&2
exit 1
