// Runs npm for the set-up: its output goes to a log, of which a failure shows the end.

import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

const tailLines = 15;

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
   * @returns {Promise<string | undefined>} undefined when all went well, else the end of npm's output.
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
      const tail = readFileSync(this.log, "utf8").trim().split("\n").slice(-tailLines).join("\n");
      return `${tail}\n${end}; all of its output: ${this.log}`;
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
