// What is asked of each import: see confinement.ts. Plain JavaScript, since it stands behind what reads TypeScript, and where
// Node.js is old, in a thread of its own.

import { fileURLToPath } from "node:url";

/**
 * @typedef {object} Grounds
 * @property {readonly string[]} homes File URLs of folders, with a slash at the end.
 * @property {readonly string[]} refused Names of packages that may lie in them, for others, and are not for what is written here.
 */

/** @type {Grounds} */
let grounds = { homes: [], refused: [] };

/** @param {Grounds} given */
export function initialize(given) {
  grounds = given;
}

/** @type {import("node:module").ResolveHook} */
export async function resolve(specifier, context, nextResolve) {
  const found = await nextResolve(specifier, context);
  check(specifier, found.url, context.parentURL);
  return found;
}

/**
 * For registerHooks, which is asked of what CommonJS modules require, too.
 * @type {import("node:module").ResolveHookSync}
 */
export function resolveSync(specifier, context, nextResolve) {
  const found = nextResolve(specifier, context);
  if (!context.conditions.includes("require")) check(specifier, found.url, context.parentURL);
  return found;
}

/**
 * @param {string} specifier
 * @param {string} url
 * @param {string | undefined} parentUrl
 */
function check(specifier, url, parentUrl) {
  if (!url.startsWith("file:")) return;
  const [, name] = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/.exec(url) ?? [];
  const isInside = grounds.homes.some((home) => url.startsWith(home));
  const isOthers = name !== undefined && grounds.refused.includes(name) && parentUrl?.includes("/node_modules/") === false;
  if (isInside && !isOthers) return;
  // As Node says it: what reads Node's words finds file and line in them.
  const what =
    name === undefined
      ? `Cannot find module '${specifier}' in this release: it lies outside of the clone, which releases are made of`
      : `Cannot find package '${name}' in this release: it holds no devDependencies (npm install --save-prod ${name})`;
  throw new Error(`${what} imported from ${parentUrl === undefined ? "" : fileURLToPath(parentUrl)}`);
}
