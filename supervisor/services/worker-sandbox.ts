// Runs a command as workers run: what their unit, with the administrator's changes to it, says of user, environment and sandbox, for a
// transient unit. So the trial of a release's handlers can do no more than its workers will, and root's environment stays root's.

import type { RunAs } from "../releases/check-process.ts";
import { insideScript } from "../releases/low-priority-process.ts";
import { systemctl } from "./systemd.ts";

/** Of [Service]: everything but how it is started and ended, watched, and shown to NATS. */
const kept =
  /^(User|Group|SupplementaryGroups|UMask|Limit|TasksMax|Memory|OOMScoreAdjust|CapabilityBoundingSet|AmbientCapabilities|NoNewPrivileges|Protect|Private|ProcSubset|RemoveIPC|Restrict(?!Start|Max|Steps)|LockPersonality|SystemCall|ReadWritePaths|ReadOnlyPaths|InaccessiblePaths|ExecPaths|NoExecPaths|Bind|TemporaryFileSystem|IPAddress|SocketBind|Environment|PassEnvironment|UnsetEnvironment)/;

/** For a unit that is no instance of the template, only what needs no specifier has a meaning. Source: systemd.unit(5), "Specifiers". */
const specifier = /%[^%]/;

/** @throws {SystemdError} where there is no such unit. */
export async function workerSandbox(): Promise<RunAs["sandboxed"]> {
  const properties = sandboxOf(await systemctl("cat", "thinstate-worker@trial.service"));
  return (command, { folder, writable, processorLimitMs, isModest }) => {
    const seconds = Math.ceil(processorLimitMs / 1000);
    const own = [
      ...[`WorkingDirectory=${folder}`, `ReadWritePaths=${writable}`, `LimitCPU=${seconds}:${seconds + 1}`],
      ...(isModest ? ["Nice=10", "CPUWeight=10"] : []),
    ];
    return [
      ...["systemd-run", "--quiet", "--collect", "--wait", "--pipe", "--service-type=exec", "--description=trial of handlers"],
      ...[...properties, ...own].map((property) => `--property=${property}`),
      ...["--", "/bin/sh", "-c", insideScript, "sh"],
      ...command,
    ];
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
    if (!specifier.test(property)) properties.push(property.replaceAll("%%", "%"));
  }
  return properties;
}

/** A line may have several variables. */
function withoutSpecifiers(line: string): string {
  if (/["']/.test(line)) return line;
  const variables = line.slice("Environment=".length).split(/\s+/);
  return `Environment=${variables.filter((variable) => !specifier.test(variable)).join(" ")}`;
}
