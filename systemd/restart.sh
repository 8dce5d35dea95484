#!/bin/sh
# restart.sh TARGET PATTERN: restarts the units of a target one after the other; systemd would stop all of them first. It restarts
# those that have run since before the target went down: none at the first start, or after a stop. Ends with exit code 1 at the
# first unit that does not start; the others keep running as they are.

target=$1 pattern=$2
places=/var/lib/thinstate/workers

when() { systemctl show --value --property="$2" "$1"; }
units() { systemctl list-units --plain --no-legend --state="$1" "$2" | cut -d " " -f 1; }

# If a worker is the only one of its release, a spare one runs meanwhile: number 0, which no deploy starts.
with_spare() {
  instance=${1#*@}
  release=${instance%.*.service}
  spare=thinstate-worker@$release.0.service
  [ "$(units active "thinstate-worker@$release.*")" = "$1" ] || spare=
  if [ -n "$spare" ]; then
    ln -sfn "$(readlink "$places/${instance%.service}")" "$places/$release.0"
    systemctl start "$spare" || exit 1
  fi
  systemctl try-restart "$1" || exit 1
  if [ -n "$spare" ]; then
    systemctl stop "$spare"
    rm -f "$places/$release.0"
  fi
}

down=$(when "$target" InactiveEnterTimestampMonotonic)
[ "$down" -gt 0 ] || exit 0
for unit in $(units active "$pattern"); do
  [ "$(when "$unit" ActiveEnterTimestampMonotonic)" -lt "$down" ] || continue
  starting=$(units activating "$pattern")
  # shellcheck disable=SC2086 # several names
  [ -z "$starting" ] || systemctl start $starting || exit 1
  case $unit in
    thinstate-worker@*) with_spare "$unit" ;;
    *) systemctl try-restart "$unit" || exit 1 ;;
  esac
done
