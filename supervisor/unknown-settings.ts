// A name in a settings file that is none of ours: a slip, or something that only the handlers know. Both are passed on, and said.

import { settingNames } from "./every-setting.ts";

/** Found before the settings file is, and therefore not in it. */
const notInFiles = ["THINSTATE_DIR", "SETTINGS_FILE"];
type Environment = Readonly<Record<string, string | undefined>>;

/** More slips than that make another name. */
const mostSlips = 3;

/**
 * @param names Of the variables in the file.
 * @returns "unknown settings: PROT (PORT?), DATABASE_URL"; undefined where all are.
 */
export function unknownSettings(names: readonly string[]): string | undefined {
  const known = settingNames();
  const unknown = names.filter((name) => !known.includes(name) || notInFiles.includes(name));
  if (unknown.length === 0) return undefined;
  return `unknown settings: ${unknown.map((name) => described(name, known)).join(", ")}`;
}

/**
 * The environment is shared with everything else: a name in it is a slip only where a single one leads to a setting that is not there. A
 * wrong letter is none: APP_PORT is another program's, not our API_PORT.
 * @param all With what a settings file has.
 * @returns "unknown settings: WORKER (WORKERS?)"; undefined where there is none.
 */
export function misspeltSettings(env: Environment, all: Environment = env): string | undefined {
  const known = settingNames();
  const missing = known.filter((name) => all[name] === undefined);
  const misspelt = Object.keys(env).flatMap((name) => {
    if (known.includes(name)) return [];
    const meant = missing.find((other) => slipsBetween(name.toUpperCase(), other) <= 1 && !hasWrongLetter(name.toUpperCase(), other));
    return meant === undefined ? [] : [`${name} (${meant}?)`];
  });
  return misspelt.length === 0 ? undefined : `unknown settings: ${misspelt.join(", ")}`;
}

/** Of two that a single slip parts. */
function hasWrongLetter(name: string, other: string): boolean {
  return name.length === other.length && [...name].sort().join() !== [...other].sort().join();
}

function described(name: string, known: readonly string[]): string {
  if (notInFiles.includes(name)) return `${name} (only in the environment)`;
  const [nearest] = known
    .map((other) => ({ other, slips: slipsBetween(name.toUpperCase(), other) }))
    .filter(({ other, slips }) => slips <= Math.min(mostSlips, other.length / 2))
    .sort((a, b) => a.slips - b.slips);
  return nearest === undefined ? name : `${name} (${nearest.other}?)`;
}

/** How many letters are missing, too many, wrong, or changed places with the next. (Optimal string alignment.) */
function slipsBetween(a: string, b: string): number {
  let [beforeLast, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1];
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const ways = [(last[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, (last[column - 1] ?? 0) + (isSame ? 0 : 1)];
      if (swapped) ways.push((beforeLast[column - 2] ?? 0) + 1);
      current.push(Math.min(...ways));
    }
    [beforeLast, last] = [last, current];
  }
  return last[b.length] ?? 0;
}
