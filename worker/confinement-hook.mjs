// Runs in the thread that resolves imports: see confinement.ts. Plain JavaScript, since it stands behind what reads TypeScript.

import { fileURLToPath } from "node:url";

/** @type {readonly string[]} File URLs of folders, with a slash at the end. */
let homes = [];

/** @param {readonly string[]} folders */
export function initialize(folders) {
  homes = folders;
}

/** @type {import("node:module").ResolveHook} */
export async function resolve(specifier, context, nextResolve) {
  const found = await nextResolve(specifier, context);
  if (!found.url.startsWith("file:") || homes.some((home) => found.url.startsWith(home))) return found;
  const [, name] = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/.exec(found.url) ?? [];
  // As Node says it: what reads Node's words finds file and line in them.
  const what =
    name === undefined
      ? `Cannot find module '${specifier}' in this release: it lies outside`
      : `Cannot find package '${name}' in this release: it holds no devDependencies (npm install ${name})`;
  throw new Error(`${what} imported from ${context.parentURL === undefined ? "" : fileURLToPath(context.parentURL)}`);
}
