// Node.js of another version than the one that runs us, with npm: fetched from the npm registry once, and kept beside the images.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { clone } from "../../scripts/setup/cache.mjs";
import { Npm } from "../../scripts/setup/npm.mjs";
import { cache } from "./image.ts";

/** What Node 24 comes with; it runs on Node 20 and 22 as well. */
const npmMajor = 11;

/** Files on this machine. */
export interface NodeFiles {
  readonly node: string;
  /** The folder of npm's package. */
  readonly npm: string;
}

/**
 * @param major The newest of these: "24".
 * @throws where the registry does not have it, or is out of reach.
 */
export async function nodeOf(major: string): Promise<NodeFiles> {
  // The binary alone, as the package "node" would choose it: that one needs an install script to get it into place.
  const binary = `node-${process.platform}-${process.arch}`;
  const folder = await madeOnce(`node-${major}`, async (fresh) => {
    await writeFile(join(fresh, "package.json"), "{}");
    const npm = new Npm({ clone: fresh, logFolder: fresh, env: process.env, onStart: () => undefined });
    const failure = await npm.run(["install", "--ignore-scripts", `${binary}@${major}`, `npm@${npmMajor}`]);
    if (failure !== undefined) throw new Error(`Node ${major} could not be fetched:\n${failure.text}`);
  });
  const packages = join(folder, "node_modules");
  return { node: join(packages, binary, "bin", "node"), npm: join(packages, "npm") };
}

/**
 * Our clone's packages as npm installs them with this Node: binaries differ.
 * @returns The folder node_modules.
 */
export async function packagesOf(major: string, { node, npm }: NodeFiles): Promise<string> {
  const lists = ["package.json", "package-lock.json"].map((name) => join(clone, name));
  const hash = createHash("sha256");
  for (const file of lists) hash.update(readFileSync(file));
  const name = `packages-${major}-${hash.digest("hex").slice(0, 12)}`;
  const folder = await madeOnce(name, async (fresh) => {
    for (const file of lists) copyFileSync(file, join(fresh, basename(file)));
    const PATH = [dirname(node), process.env.PATH].join(delimiter);
    const env = { ...process.env, PATH, npm_config_local_prefix: undefined };
    await promisify(execFile)(node, [join(npm, "bin", "npm-cli.js"), "ci", "--no-audit", "--no-fund"], { cwd: fresh, env });
  });
  return join(folder, "node_modules");
}

/** @returns A folder of the cache, which is there whole or not at all. */
async function madeOnce(name: string, make: (fresh: string) => Promise<void>): Promise<string> {
  const folder = join(cache, name);
  if (existsSync(folder)) return folder;
  const fresh = `${folder}.${process.pid}`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { recursive: true });
  await make(fresh);
  await rename(fresh, folder).catch(async (error: NodeJS.ErrnoException) => {
    // Another run was faster.
    if (!existsSync(folder)) throw error;
    await rm(fresh, { recursive: true, force: true });
  });
  return folder;
}
