// Fetches nats-server's own release for this platform, of the version and with the checksum that stand here.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, renameSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { startProgress } from "../../scripts/setup/progress.mjs";
import { type DownloadLimits, download } from "./download.ts";
import { withWorkFolder } from "./work-folder.ts";

export interface Archive {
  readonly version: string;
  /** As Go calls it. */
  readonly platform: string;
  readonly sha256: string;
}

const version = "2.12.15";

/** Where uWebSockets.js runs, too. Source: the Dockerfiles of nats-io/nats-docker; of macOS they have none. */
const checksums: Readonly<Record<string, Pick<Archive, "platform" | "sha256">>> = {
  "linux-x64": { platform: "linux-amd64", sha256: "58ab8131f819263897e2fc38e503e1b755b63bcafeecc7d12582487df48ca15e" },
  "linux-arm64": { platform: "linux-arm64", sha256: "b724db99fefbf8f5c808baa82819ee50350aee9734017e4a478f7e545cef3ab6" },
};

/** Where archives lie as `v<version>/nats-server-v<version>-<platform>.tar.gz`. */
export const usualMirror = "https://github.com/nats-io/nats-server/releases/download";

const usualLimits: DownloadLimits = { answerMs: 4_000, silenceMs: 5_000, mostBytes: 64 * 1024 * 1024 };

/** @returns undefined: there is none for this platform. */
export function archiveOf(platform: string, architecture: string): Archive | undefined {
  const found = checksums[`${platform}-${architecture}`];
  return found && { version, ...found };
}

export interface UpstreamOptions {
  readonly archive: Archive;
  /** The file that the executable becomes. */
  readonly target: string;
  readonly mirror: string;
  /** Names the proxy. */
  readonly environment: NodeJS.ProcessEnv;
  readonly limits?: DownloadLimits;
}

/** @returns undefined when it is there, else why not. */
export async function fetchFromUpstream({ archive, target, mirror, environment, limits = usualLimits }: UpstreamOptions) {
  const name = `nats-server-v${archive.version}-${archive.platform}`;
  const what = `nats-server ${archive.version}`;
  const progress = startProgress(`fetching ${what}`);
  const show = shownProgress(what, progress.update);
  let url: URL | undefined;
  try {
    url = new URL(`${mirror.replace(/\/+$/, "")}/v${archive.version}/${name}.tar.gz`);
    const from = url;
    await withWorkFolder(target, async (work) => {
      const file = join(work, "archive.tar.gz");
      await download({ url: from, file, environment, limits, onProgress: show });
      await checkHash(file, archive.sha256);
      await promisify(execFile)("tar", ["-xzf", file, "-C", work, `${name}/nats-server`]);
      const executable = join(work, name, "nats-server");
      await promisify(execFile)(executable, ["--version"]);
      renameSync(executable, target);
    });
    progress.done(`fetched ${what}`);
    return undefined;
  } catch (error) {
    const failure = `${what} could not be fetched from ${url?.host ?? mirror}: ${(error as Error).message.trim()}`;
    progress.fail(failure);
    return `${failure}.`;
  }
}

/** On a terminal each percent, elsewhere a few lines. */
function shownProgress(what: string, show: (text: string) => void): (bytes: number, totalBytes: number | undefined) => void {
  const step = process.stderr.isTTY ? 1 : 25;
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  return (bytes, totalBytes) => {
    if (totalBytes === undefined) return process.stderr.isTTY ? show(`fetching ${what}: ${megabytes(bytes)} MB`) : undefined;
    const percent = Math.floor((100 * bytes) / totalBytes / step) * step;
    show(`fetching ${what}: ${percent} % of ${megabytes(totalBytes)} MB`);
  };
}

/** @throws where the file is another one than upstream's. */
async function checkHash(file: string, sha256: string): Promise<void> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  const found = hash.digest("hex");
  if (found !== sha256) throw new Error(`its SHA-256 is ${found} instead of ${sha256}, so it is not used`);
}
