// Runs npm for the set-up: its output goes to a log, of which a failure shows npm's own error.

import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

const shownLines = 30;

/** What Node and npm call a registry that cannot be reached, or not trusted. */
const networkCodes =
  /^(E(NOTFOUND|AI_AGAIN|CONN\w+|TIMEDOUT|NETUNREACH|NETDOWN|HOSTUNREACH|HOSTDOWN|ADDRNOTAVAIL|PIPE|IDLETIMEOUT|PROTO)|ERR_SOCKET_TIMEOUT|ERR_SSL_\w+|FETCH_ERROR|\w*CERT\w*)$/;

/** @typedef {{ text: string, isOfNetwork: boolean }} NpmFailure text: for people, of several lines */

export class Npm {
  /** @param {{ clone: string, logFolder: string, env: NodeJS.ProcessEnv, onStart: (pid: number) => void }} options */
  constructor({ clone, logFolder, env, onStart }) {
    this.clone = clone;
    this.onStart = onStart;
    this.log = join(logFolder, "install.log");
    this.logFolder = logFolder;
    // Set by an outer `npm run`, perhaps of another folder: it would decide where npm installs.
    const { npm_config_local_prefix: _, ...rest } = env;
    this.env = rest;
  }

  /**
   * @param {string[]} args
   * @returns {Promise<NpmFailure | undefined>} undefined when all went well.
   */
  async run(args) {
    mkdirSync(this.logFolder, { recursive: true, mode: 0o700 });
    const log = openSync(this.log, "w");
    try {
      const [command, first] = this.#command();
      const child = spawn(command, [...first, ...args, "--no-audit", "--no-fund", "--no-progress"], {
        cwd: this.clone,
        env: this.env,
        stdio: ["ignore", log, log],
      });
      if (child.pid !== undefined) this.onStart(child.pid);
      const end = await new Promise((resolve) => {
        child.once("error", (error) => resolve(error.message));
        child.once("exit", (code, signal) => resolve(code === 0 ? undefined : `npm ended with ${signal ?? code}`));
      });
      if (end === undefined) return undefined;
      const { text, isOfNetwork } = describeFailure(readFileSync(this.log, "utf8"));
      return { text: `${text}\n${end}; all of its output: ${this.log}`.trim(), isOfNetwork };
    } finally {
      closeSync(log);
    }
  }

  /**
   * The npm that runs this script, where there is one: PATH may have another, or none.
   * @returns {[command: string, first: string[]]}
   */
  #command() {
    const running = this.env.npm_execpath;
    return running !== undefined && basename(running) === "npm-cli.js" ? [process.execPath, [running]] : ["npm", []];
  }
}

/**
 * @param {string} output of npm, of any version: 9 says "npm ERR!", later ones "npm error".
 * @returns {NpmFailure} Its error, or the end of its output where it names none.
 */
export function describeFailure(output) {
  const lines = output.trim().split("\n");
  const errors = lines.filter((line) => /^npm (ERR!|error)/.test(line));
  const code = errors.map((line) => /^npm (?:ERR!|error) code (\S+)/.exec(line)?.[1]).find((found) => found !== undefined);
  const shown = errors.length > 0 ? errors.slice(0, shownLines) : lines.slice(-shownLines);
  return { text: shown.join("\n"), isOfNetwork: code !== undefined && networkCodes.test(code) };
}
