// What an installation puts into /opt/thinstate: the code that gateways run, the Node.js that everything runs on, nats-server.
// Copies of root's, which an edit in the clone or an update of a version manager does not change.

import { chmod, copyFile, mkdir, readdir, realpath, rename, rm, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { findNatsServer } from "../nats-server/binary.ts";
import { openToAll } from "../releases/modes.ts";
import { bringPackages } from "../releases/packages.ts";
import { copySources, hashSources, listFiles } from "../releases/sources.ts";
import { layout } from "./layout.ts";
import { SystemdError, worksInService } from "./systemd.ts";

/** What a gateway needs of the clone, with the scripts that units run. */
const forGateways = /^(gateway|protocol|process|nats|systemd\/[\w-]+\.sh|package\.json|package-lock\.json|tsconfig\.json)(\/|$)/;
/** Where git is of no help, folders are asked for first. */
const folders = /^(gateway|protocol|process|nats|systemd)$/;

/** @returns Whether what gateways start with has changed. */
export async function installCode(clone: string): Promise<boolean> {
  const listed = await listFiles(clone, (path) => forGateways.test(path) || folders.test(path));
  const files = listed.filter((file) => forGateways.test(file) && !/\.test\.\w+$/.test(file)).sort();
  const folder = `${layout.code}-${(await hashSources(clone, files)).slice(0, 12)}`;
  if ((await realpath(layout.code).catch(() => undefined)) === folder) return false;
  const signal = new AbortController().signal;
  const fresh = `${folder}.new`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { recursive: true });
  await copySources({ clone, files, to: fresh, signal });
  await bringPackages({ clone, to: fresh, signal, part: "gateway", isCopied: true });
  await openToAll(fresh);
  await rm(folder, { recursive: true, force: true });
  await rename(fresh, folder);
  await pointTo(layout.code, folder);
  // What runs has read all of its code.
  for (const name of await readdir(layout.software)) {
    if (name.startsWith("code-") && name !== basename(folder)) await rm(join(layout.software, name), { recursive: true, force: true });
  }
  return true;
}

/** @returns What was done, for people. @throws {SystemdError} where no service can run it. */
export async function installNode(executable = process.execPath): Promise<string> {
  const found = await realpath(executable);
  return `Node ${process.versions.node}: ${await installProgram(layout.node, found, "thinstate-worker")}`;
}

/** @param cacheFolder Where a fetched one is kept. @throws {NatsServerMissing}, {SystemdError} as above. */
export async function installNatsServer(cacheFolder: string, environment: NodeJS.ProcessEnv): Promise<string> {
  const found = await realpath(await findNatsServer({ folder: cacheFolder, environment }));
  // One that we have fetched may go with the clone.
  const isOurs = found.startsWith(`${cacheFolder}/`);
  return `nats-server: ${await installProgram(layout.natsServer, found, "thinstate-nats", isOurs)}`;
}

/** A link where the user of a service may run it, so that the system's updates reach it, else a copy. @returns What was done. */
async function installProgram(target: string, found: string, user: string, isCopied = false): Promise<string> {
  await mkdir(dirname(target), { recursive: true });
  // This very command runs on it.
  if (found === target) return found;
  if (!isCopied && (await worksInService(user, found, "--version"))) {
    await pointTo(target, found);
    return found;
  }
  // Under another name first: what runs keeps what it has until this works.
  const fresh = `${target}.new`;
  await rm(fresh, { force: true });
  await copyFile(found, fresh);
  await chmod(fresh, 0o755);
  if (!(await worksInService(user, fresh, "--version"))) {
    await rm(fresh);
    throw new SystemdError(`services can run neither ${found} nor a copy of it: install Node in /usr or /usr/local`);
  }
  await rename(fresh, target);
  return isCopied ? `copied from ${found}` : `copied from ${found}, which services may not enter`;
}

/** Makes or turns a link: whoever follows it finds the old place or the new one. */
export async function pointTo(link: string, target: string): Promise<void> {
  const fresh = `${link}.new`;
  await rm(fresh, { force: true });
  await symlink(target, fresh);
  await rename(fresh, link);
}
