// `.env` in the clone: what handlers find in their environment while somebody develops them. Services have worker.env.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";

export const envFileName = ".env";

export interface EnvFile {
  /** By variable. */
  readonly variables: Readonly<Record<string, string>>;
  /** Settings of thinstate that it has, which are not read from it. */
  readonly ignored: readonly string[];
}

/**
 * @param env Goes before the file.
 * @param settings Names of settings: gateways and commands have to know them as well, so they belong into the environment.
 * @returns Nothing where there is no such file.
 * @throws the system's error where it cannot be read.
 */
export function readEnvFile(clone: string, env: NodeJS.ProcessEnv, settings: readonly string[]): EnvFile {
  const found = Object.entries(parseEnv(textOf(join(clone, envFileName)))).flatMap(([name, value]) =>
    value === undefined || env[name] !== undefined ? [] : [[name, value] as const],
  );
  const isSetting = (name: string) => settings.includes(name);
  return {
    variables: Object.fromEntries(found.filter(([name]) => !isSetting(name))),
    ignored: found.map(([name]) => name).filter(isSetting),
  };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
