// The environment file of an installation on systemd: settings for gateways, workers and commands, one `NAME=value` a line. A
// person edits it, so what is not to be changed stays as it is, comments included.

import { readFileSync } from "node:fs";
import { parseSettingsText } from "../../process/settings-file.ts";
import { layout } from "./layout.ts";

/** @throws where there is none, or it may not be read. */
export function readSettings(file: string = layout.settingsFile): NodeJS.ProcessEnv {
  return parseSettingsText(readFileSync(file, "utf8"));
}

/** The text with these settings in it: where a line has the name, in a comment too, it becomes that line. */
export function withSettings(text: string, settings: Readonly<Record<string, string>>): string {
  // systemd would take a byte order mark for part of the first name.
  let result = text.replace(/^\uFEFF/, "");
  for (const [name, value] of Object.entries(settings)) {
    const line = `${name}=${encodeValue(value)}`;
    const found = new RegExp(`^#?${name}=.*$`, "m");
    // By a function: a value may have a $.
    result = found.test(result) ? result.replace(found, () => line) : `${result}${line}\n`;
  }
  return result;
}

/** Understood alike by systemd and by Node.js. @throws where no way of writing it is. */
function encodeValue(value: string): string {
  if (/^[A-Za-z0-9_./:@,+-]*$/.test(value)) return value;
  if (/['\n]/.test(value)) throw new Error(`this value cannot be written into an environment file: ${value}`);
  return `'${value}'`;
}
