// Settings in a file, one `NAME=value` a line, as systemd's EnvironmentFile= and Node.js' --env-file have it. The environment of a
// process cannot change while it runs; the file can.

import { parseEnv } from "node:util";
import { readNamedFile } from "./settings.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export class SettingsFile {
  private readonly path: string;
  /** What the environment says otherwise than the file did at the start, or alone: it goes on to win. */
  private readonly given: Environment;

  /**
   * @param path empty: there is none.
   * @throws {CodedError} "config.invalid" where it cannot be read.
   */
  constructor(path: string, environment: Environment) {
    this.path = path;
    const written = this.parse();
    this.given = Object.fromEntries(Object.entries(environment).filter(([name, value]) => isSet(value) && written[name] !== value));
  }

  /**
   * The environment with the file as it is now.
   * @throws {CodedError} "config.invalid" where it cannot be read.
   */
  read(): Environment {
    return { ...this.parse(), ...this.given };
  }

  /** Variables in the file. */
  get names(): string[] {
    return Object.keys(this.parse());
  }

  /** Variables in the file that have no effect, since the environment says otherwise. */
  overruled(): string[] {
    return Object.entries(this.parse()).flatMap(([name, value]) => (name in this.given && this.given[name] !== value ? [name] : []));
  }

  private parse(): Environment {
    if (this.path === "") return {};
    return { ...parseSettingsText(readNamedFile("SETTINGS_FILE", this.path).toString()) };
  }
}

/** Some editors begin a file with a byte order mark, which would be part of the first name. */
export function parseSettingsText(text: string): NodeJS.ProcessEnv {
  return parseEnv(text.replace(/^\uFEFF/, ""));
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== "";
}
