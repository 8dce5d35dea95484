// Finds a nats-server to run: on PATH, else a copy in the cache folder, else one that is fetched: upstream's release, or Debian's package.

import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fetchFromDebian } from "./debian.ts";
import { type Archive, archiveOf, fetchFromUpstream, usualMirror } from "./upstream.ts";

/** Where packages put it though a plain user's PATH often lacks the folder. */
const usualFolders = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"];

/** There is no nats-server, and none could be fetched. The message says what to do. */
export class NatsServerMissing extends Error {}

export interface NatsServerOptions {
  /** Where a fetched copy is kept. */
  readonly folder: string;
  /** PATH, NATS_SERVER_MIRROR, and the names of proxies. */
  readonly environment: NodeJS.ProcessEnv;
  /** By default upstream's for this platform. */
  readonly archive?: Archive | undefined;
}

/**
 * @returns The path of an executable that runs here.
 * @throws {NatsServerMissing}
 */
export async function findNatsServer(options: NatsServerOptions): Promise<string> {
  const { folder, environment, archive = archiveOf(process.platform, process.arch) } = options;
  const folders = [...(environment.PATH ?? "").split(delimiter), ...usualFolders].filter((entry) => entry !== "");
  const found = folders.map((entry) => join(entry, "nats-server")).find(isExecutable);
  if (found !== undefined) return found;
  const distributed = join(folder, "nats-server");
  const released = archive && join(folder, archive.version, "nats-server");
  const copy = [released, distributed].find((file) => file !== undefined && runs(file));
  if (copy !== undefined) return copy;
  const failures: string[] = [];
  if (archive !== undefined && released !== undefined) {
    const mirror = environment.NATS_SERVER_MIRROR || usualMirror;
    const failure = await fetchFromUpstream({ archive, target: released, mirror, environment });
    if (failure === undefined) return released;
    failures.push(failure);
  }
  if (process.platform === "linux") {
    const failure = await fetchFromDebian(distributed);
    if (failure === undefined) return distributed;
    failures.push(failure);
  }
  throw new NatsServerMissing(help(failures));
}

/** Tried, not only looked at: the folder may have come from another machine. */
function runs(file: string): boolean {
  return existsSync(file) && spawnSync(file, ["--version"]).status === 0;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function help(failures: readonly string[]): string {
  return ["thinstate needs nats-server, and there is none on PATH.", ...failures, "", ...advice(process.platform)].join("\n");
}

/** What a person can do about it. */
function advice(platform: NodeJS.Platform): string[] {
  const running = "  one that is running     NATS_URL=nats://host:4222 npm start";
  if (platform === "darwin") return ["Install it, then start again; or name one that is running:", "  brew install nats-server", running];
  return [
    "Do one of these, then start again:",
    "  Debian, Ubuntu          sudo apt-get install nats-server",
    "  Alpine                  sudo apk add nats-server",
    "  elsewhere               put it on PATH, from https://github.com/nats-io/nats-server/releases",
    `  a mirror of upstream's  NATS_SERVER_MIRROR=https://… npm start, instead of ${usualMirror}`,
    running,
  ];
}
