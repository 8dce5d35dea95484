// Finds a nats-server to run: on PATH, else a copy in the cache folder, else one fetched from Debian.

import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fetchFromDebian } from "./debian.ts";

/** Where packages put it though a plain user's PATH often lacks the folder. */
const usualFolders = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"];

/** There is no nats-server, and none could be fetched. The message says what to do. */
export class NatsServerMissing extends Error {}

/**
 * @param folder Where a fetched copy is kept.
 * @returns The path of an executable that runs here.
 * @throws {NatsServerMissing}
 */
export async function findNatsServer(folder: string, path: string): Promise<string> {
  const onPath = [...path.split(delimiter), ...usualFolders].filter((entry) => entry !== "").map((entry) => join(entry, "nats-server"));
  const found = onPath.find(isExecutable);
  if (found !== undefined) return found;
  const copy = join(folder, "nats-server");
  // Tried, not only looked at: the folder may have come from another machine.
  if (existsSync(copy) && spawnSync(copy, ["--version"]).status === 0) return copy;
  const failure = await fetchFromDebian(copy);
  if (failure === undefined) return copy;
  throw new NatsServerMissing(help(failure));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function help(failure: string): string {
  return `thinstate needs nats-server, and there is none on PATH. ${failure}

Install it with the one line for your system, then start again:
  Debian, Ubuntu   sudo apt-get install nats-server
  Fedora           sudo dnf install nats-server
  Alpine           sudo apk add nats-server
  macOS            brew install nats-server
or name one that runs already:  NATS_URL=nats://host:4222 npm start`;
}
