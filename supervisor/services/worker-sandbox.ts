// Runs a command as workers run: what their unit, with the administrator's changes to it, says of user, environment and sandbox, for a
// transient unit. So the trial of a release's handlers can do no more than its workers will, and root's environment stays root's.

import type { RunAs } from "../releases/check-process.ts";
import { ReleaseError } from "../releases/refusal.ts";
import { layout } from "./layout.ts";
import { systemctl } from "./systemd.ts";
import { type UnitSetting, unitSettings, wordsOf } from "./unit-settings.ts";

const unit = "thinstate-worker@.service";

/** Of [Service], what concerns its start, its end, its watching, and the files that systemd makes for it. All else is kept. */
const left = new RegExp(
  `^(?:${[
    "Type|ExitType|RemainAfterExit|GuessMainPID|PIDFile|BusName|NonBlocking|Sockets|OpenFile|USBFunction\\w+|FileDescriptorStore\\w+",
    "Exec(?:Condition|Start|StartPre|StartPost|Reload|ReloadPost|Stop|StopPost)|RootDirectoryStartOnly|ReloadSignal",
    "Restart\\w*|StartLimit\\w+|SuccessExitStatus|\\w+Action|RebootArgument|OOMPolicy|Runtime(?:Max|RandomizedExtra)Sec",
    "Watchdog\\w+|Notify\\w+|Timeout\\w+|Kill\\w+|SendSIG\\w+|FinalKillSignal",
    "(?:Runtime|State|Cache|Logs|Configuration|Working)Directory\\w*|(?:Load|Set|Import)Credential\\w*",
    "Standard(?:Input|Output|Error)\\w*|Syslog\\w+|Log[A-Z]\\w+|TTY\\w+|Utmp\\w+|X-.*",
  ].join("|")})$`,
);

/** These let a worker see or do more, so one that only an instance understands may be missing. */
const grants = new Set(["Environment", "EnvironmentFile", "ReadWritePaths", "BindPaths", "BindReadOnlyPaths", "ExecPaths"]);

/** Of those that mean the same in every unit of the system. Source: systemd.unit(5), "Specifiers". */
const specifiers: Readonly<Record<string, string>> = {
  "%%": "%",
  "%t": "/run",
  "%S": "/var/lib",
  "%C": "/var/cache",
  "%L": "/var/log",
  "%E": "/etc",
  "%T": "/tmp",
  "%V": "/var/tmp",
};

/**
 * Arguments: the options of systemd-run, with the command behind them. `systemd-run --pipe` needs a D-Bus daemon, which a small Debian
 * does not have: so what the command writes goes to files of root's, and its exit code to the end of one. Whatever ends this script, its
 * input closes, and then a watch in a session of its own ends the unit. Where systemd cannot run it as it is told to, that is said, by
 * systemd-run or in the journal, and the exit code is 126, as a shell has it. `journalctl --unit` would not do: what says why is written by
 * a process that ends at once, and then the journal cannot tell whose unit it was of, only the unit that it has named itself.
 */
const script = `folder=$(mktemp -d "$0/trial-XXXXXX") || exit 1
unit=thinstate-trial-$$.service
: >"$folder/out" >"$folder/err"
exec 5<&0 </dev/null
setsid sh -c 'read -r _; systemctl kill --signal=KILL "$0"; rm -rf "$1"' "$unit" "$folder" <&5 5<&- >/dev/null 2>&1 &
exec 5<&-
systemd-run --quiet --collect --unit="$unit" --service-type=oneshot --description="trial of handlers" --property=StandardOutput="file:$folder/out" --property=StandardError="file:$folder/err" "$@" 2>"$folder/said"
code=$(sed -n '$ s/^exit //p' "$folder/err")
cat "$folder/out"
if [ -n "$code" ]; then sed '$ d' "$folder/err" >&2; else cat "$folder/err" >&2; fi
if [ -z "$code" ] && [ ! -s "$folder/out" ] && [ ! -s "$folder/err" ]; then
  code=126
  journalctl --sync 2>/dev/null
  if [ -s "$folder/said" ]; then cat "$folder/said" >&2; else journalctl --quiet --no-pager --output=cat --lines=5 UNIT="$unit" _UID=0 + _SYSTEMD_UNIT="$unit" >&2; fi
fi
rm -rf "$folder"
exit "\${code:-1}"`;

/** The unit's own exit code would be lost. */
const inside = '"$@"; echo "exit $?" >&2';

/** @throws {SystemdError} where there is no such unit. */
export async function workerSandbox(): Promise<Pick<RunAs, "unit" | "sandboxed">> {
  const text = await systemctl("cat", unit.replace("@", "@trial"));
  return {
    unit,
    sandboxed(command, { folder, writable, processorLimitMs, isModest }) {
      const seconds = Math.ceil(processorLimitMs / 1000);
      const own = [
        ...[`WorkingDirectory=${folder}`, `ReadWritePaths=${writable}`, `LimitCPU=${seconds}:${seconds + 1}`],
        ...(isModest ? ["Nice=10", "CPUWeight=10"] : []),
      ];
      const options = [...sandboxOf(text), ...own].map((property) => `--property=${property}`);
      return ["sh", "-c", script, layout.run, ...options, "--", "/bin/sh", "-c", inside, "sh", ...command];
    },
  };
}

/**
 * @param text Of a unit and its drop-ins, as `systemctl cat` prints them.
 * @returns Lines for systemd-run's --property=.
 * @throws {ReleaseError} where a restriction means something in an instance of the template only.
 */
export function sandboxOf(text: string): string[] {
  return unitSettings(text, "Service")
    .filter(({ name }) => !left.test(name))
    .flatMap((setting) => propertyOf(setting) ?? []);
}

/** @returns undefined: without a value, since none of it has a meaning here. */
function propertyOf({ name, value }: UnitSetting): string | undefined {
  if (!isOfInstance(value)) return `${name}=${expanded(value)}`;
  if (!grants.has(name)) {
    const text = `${name}=${value} means something for a worker only, and handlers cannot be tried without it: write it without specifiers`;
    throw new ReleaseError([{ file: unit, text }]);
  }
  const words = wordsOf(value).filter((word) => !isOfInstance(word));
  return words.length === 0 ? undefined : `${name}=${words.map(expanded).join(" ")}`;
}

function isOfInstance(text: string): boolean {
  return (text.match(/%./g) ?? []).some((specifier) => specifiers[specifier] === undefined);
}

function expanded(text: string): string {
  return text.replace(/%./g, (specifier) => specifiers[specifier] ?? specifier);
}
