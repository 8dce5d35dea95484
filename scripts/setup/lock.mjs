// One change at a time by processes of one machine: installations of a clone, since two starts in two terminals would tear node_modules
// from each other's hands; and changes of a file that is read and written again.

import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { startProgress } from "./progress.mjs";

/**
 * @param {string} clone
 * @param {(own: (pid: number) => void) => Promise<void>} work `own` makes another process an owner: npm outlives a start that is killed.
 */
export async function withInstallLock(clone, work) {
  // In the clone, not in the cache folder: installations with different cache folders share node_modules.
  const folder = join(clone, ".thinstate");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, "install.lock");
  await withLock(file, "is installing packages", () => work((pid) => appendFileSync(file, `${pid}\n`)));
}

/**
 * The lock ends with its owners: a file that names only processes which are gone is taken over.
 * @template T
 * @param {string} file Of the lock. Its folder exists.
 * @param {string} doing What the owner does, for whoever has to wait: "is installing packages".
 * @param {() => T | Promise<T>} work
 * @returns {Promise<T>} what the work returns.
 */
export async function withLock(file, doing, work) {
  /** @type {import("./progress.mjs").Progress | undefined} */
  let progress;
  for (let owner = take(file); owner !== undefined; owner = take(file)) {
    progress ??= startProgress(`waiting for process ${owner}, which ${doing}`);
    await pause(200);
  }
  progress?.done();
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

/**
 * @param {string} file
 * @returns {number | undefined} The living process that holds the lock; undefined when it is ours now.
 */
function take(file) {
  try {
    writeFileSync(file, `${process.pid}\n`, { flag: "wx" });
    return undefined;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
  }
  const owner = ownersOf(file).find(isAlive);
  if (owner !== undefined) return owner;
  rmSync(file, { force: true });
  return take(file);
}

/** @param {string} file */
function ownersOf(file) {
  try {
    const pids = readFileSync(file, "utf8").split("\n").map(Number);
    return pids.filter((pid) => Number.isSafeInteger(pid) && pid > 0 && pid !== process.pid);
  } catch {
    return [];
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
  }
}
