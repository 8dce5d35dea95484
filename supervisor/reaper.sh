#!/bin/sh
# Ends what the supervisor has started when the supervisor itself was killed: only then does its pipe, our standard input,
# close while process groups are still registered. Also for children that hang and so cannot notice it themselves.
#   +PID  a process group to end      !PID  one to end after all others (nats-server)      -PID  it has ended

trap '' HUP INT TERM

groups= last=

without() {
  for pid in $1; do [ "$pid" = "$2" ] || printf ' %s' "$pid"; done
}

is_alive() {
  for pid in $1; do kill -s 0 -- "-$pid" 2>/dev/null && return 0; done
  return 1
}

end() {
  for pid in $1; do kill -s TERM -- "-$pid" 2>/dev/null; done
  tries=0
  while [ "$tries" -lt 20 ] && is_alive "$1"; do
    sleep 0.1
    tries=$((tries + 1))
  done
  for pid in $1; do kill -s KILL -- "-$pid" 2>/dev/null; done
}

while read -r line; do
  case $line in
    +*) groups="$groups ${line#+}" ;;
    !*) last="$last ${line#!}" ;;
    -*) groups=$(without "$groups" "${line#-}") last=$(without "$last" "${line#-}") ;;
  esac
done

end "$groups"
end "$last"
