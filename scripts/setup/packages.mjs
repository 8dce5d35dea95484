// Compares what package-lock.json wants with what npm says it has installed. npm writes node_modules/.package-lock.json as
// the last thing of an installation, so an interrupted one has none.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * @typedef {{ version?: string, dev?: boolean, devOptional?: boolean, optional?: boolean, os?: string[], cpu?: string[], libc?: string[],
 *   link?: boolean, devDependencies?: Record<string, string> }} LockedPackage
 * @typedef {Record<string, LockedPackage>} LockedPackages by path: "node_modules/tsx"
 */

/**
 * @param {string} clone
 * @param {{ withDevelopment: boolean }} options Whether development packages are needed, too.
 * @returns {string[]} Paths of packages that are missing or have another version.
 */
export function missingPackages(clone, { withDevelopment }) {
  const wanted = readPackages(join(clone, "package-lock.json")) ?? {};
  const installed = readPackages(join(clone, "node_modules", ".package-lock.json")) ?? {};
  const platform = { os: process.platform, cpu: process.arch, libc: hasGlibc() ? "glibc" : "musl" };
  const needed = withDevelopment ? wanted : productionPackages(wanted);
  return differingPackages(needed, installed, platform).concat(
    // npm's list outlives a folder that was removed by hand.
    Object.keys(installed).filter((path) => path in needed && !existsSync(join(clone, path, "package.json"))),
  );
}

/**
 * What `npm ci --omit=dev` leaves behind although a type check needs it.
 * @param {string} clone
 * @returns {string[]} Names of the clone's own development packages: "@types/node".
 */
export function missingTypes(clone) {
  const own = readPackages(join(clone, "package-lock.json"))?.[""]?.devDependencies ?? {};
  return Object.keys(own).filter((name) => name.startsWith("@types/") && !existsSync(join(clone, "node_modules", name, "package.json")));
}

/**
 * What npm installs with --omit=dev.
 * @param {LockedPackages} locked
 * @returns {LockedPackages}
 */
export function productionPackages(locked) {
  // devOptional: a development package that is also a production package's optional one.
  return Object.fromEntries(Object.entries(locked).filter(([, { dev, devOptional }]) => !dev && !devOptional));
}

/**
 * @param {LockedPackages} wanted
 * @param {LockedPackages} installed
 * @param {{ os: string, cpu: string, libc: string }} platform
 */
export function differingPackages(wanted, installed, platform) {
  return Object.entries(wanted)
    .filter(([path, locked]) => {
      // "" is the clone itself. Of uWebSockets.js' binaries npm installs the one for its own Node: the set-up looks for that itself.
      if (path === "" || path.startsWith("node_modules/@uwsjs/")) return false;
      // Optional for other reasons than its platform: npm may have left it out.
      if (locked.optional && !(locked.os && locked.cpu && fits(locked, platform))) return false;
      return installed[path]?.version !== locked.version;
    })
    .map(([path]) => path);
}

/**
 * @param {LockedPackage} locked
 * @param {{ os: string, cpu: string, libc: string }} platform
 */
function fits(locked, platform) {
  const has = (/** @type {string[] | undefined} */ list, /** @type {string} */ name) =>
    list === undefined || list.includes(name) || (list.every((entry) => entry.startsWith("!")) && !list.includes(`!${name}`));
  return has(locked.os, platform.os) && has(locked.cpu, platform.cpu) && has(locked.libc, platform.libc);
}

/**
 * @param {string} file
 * @returns {LockedPackages | undefined}
 */
function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    // Missing, or cut off while it was written: both mean that nothing is known to be installed.
    return undefined;
  }
}

function hasGlibc() {
  return process.platform !== "linux" || !existsSync("/etc/alpine-release");
}
