// Runs a command as workers run: what their unit, with the administrator's changes to it, says of user, environment and sandbox, for a
// transient unit. So the trial of a release's handlers can do no more than its workers will, and root's environment stays root's.

import type { RunAs } from "../releases/check-process.ts";
import { layout } from "./layout.ts";
import { systemctl } from "./systemd.ts";

/** Of [Service]: everything but how it is started and ended, watched, and shown to NATS. */
const kept =
  /^(User|Group|SupplementaryGroups|UMask|Limit|TasksMax|Memory|OOMScoreAdjust|CapabilityBoundingSet|AmbientCapabilities|NoNewPrivileges|Protect|Private|ProcSubset|RemoveIPC|Restrict(?!Start|Max|Steps)|LockPersonality|SystemCall|ReadWritePaths|ReadOnlyPaths|InaccessiblePaths|ExecPaths|NoExecPaths|Bind|TemporaryFileSystem|IPAddress|SocketBind|Environment|PassEnvironment|UnsetEnvironment)/;

/** For a unit that is no instance of the template, only what needs no specifier has a meaning. Source: systemd.unit(5), "Specifiers". */
const specifier = /%[^%]/;

/**
 * Arguments: the options of systemd-run, with the command behind them. `systemd-run --pipe` needs a D-Bus daemon, which a small Debian
 * does not have: so what the command writes goes to files of root's, and its exit code to the end of one. Whatever ends this script, its
 * input closes, and then a watch in a session of its own ends the unit.
 */
const script = `folder=$(mktemp -d "$0/trial-XXXXXX") || exit 1
unit=thinstate-trial-$$.service
exec 5<&0 </dev/null
setsid sh -c 'read -r _; systemctl kill --signal=KILL "$0"; rm -rf "$1"' "$unit" "$folder" <&5 5<&- >/dev/null 2>&1 &
exec 5<&-
systemd-run --quiet --collect --unit="$unit" --service-type=oneshot --description="trial of handlers" --property=StandardOutput="file:$folder/out" --property=StandardError="file:$folder/err" "$@" 2>"$folder/said"
code=$(sed -n '$ s/^exit //p' "$folder/err")
cat "$folder/out"
if [ -n "$code" ]; then sed '$ d' "$folder/err" >&2; else cat "$folder/err" "$folder/said" >&2; fi
rm -rf "$folder"
exit "\${code:-1}"`;

/** The unit's own exit code would be lost. */
const inside = '"$@"; echo "exit $?" >&2';

/** @throws {SystemdError} where there is no such unit. */
export async function workerSandbox(): Promise<RunAs["sandboxed"]> {
  const properties = sandboxOf(await systemctl("cat", "thinstate-worker@trial.service"));
  return (command, { folder, writable, processorLimitMs, isModest }) => {
    const seconds = Math.ceil(processorLimitMs / 1000);
    const own = [
      ...[`WorkingDirectory=${folder}`, `ReadWritePaths=${writable}`, `LimitCPU=${seconds}:${seconds + 1}`],
      ...(isModest ? ["Nice=10", "CPUWeight=10"] : []),
    ];
    const options = [...properties, ...own].map((property) => `--property=${property}`);
    return ["sh", "-c", script, layout.run, ...options, "--", "/bin/sh", "-c", inside, "sh", ...command];
  };
}

/** @param text Of a unit and its drop-ins, as `systemctl cat` prints them. @returns Lines for systemd-run's --property=. */
export function sandboxOf(text: string): string[] {
  const lines = text.replace(/\\\n/g, " ").split("\n");
  let section = "";
  const properties: string[] = [];
  for (const line of lines) {
    section = /^\[(\w+)\]$/.exec(line)?.[1] ?? section;
    if (section !== "Service" || !kept.test(line)) continue;
    const property = line.startsWith("Environment=") ? withoutSpecifiers(line) : line;
    // Without a value it would undo those before.
    const isEmptied = property === "Environment=" && property !== line;
    if (!isEmptied && !specifier.test(property)) properties.push(property.replaceAll("%%", "%"));
  }
  return properties;
}

/** A line may have several variables. */
function withoutSpecifiers(line: string): string {
  if (/["']/.test(line)) return line;
  const variables = line.slice("Environment=".length).split(/\s+/);
  return `Environment=${variables.filter((variable) => !specifier.test(variable)).join(" ")}`;
}
