// Makes a clone ready to run, whatever state it is in, and costs milliseconds where it is ready already. Repairs what an
// interrupted installation has left.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, clone } from "./cache.mjs";
import { withInstallLock } from "./lock.mjs";
import { Npm } from "./npm.mjs";
import { isReplaced, missingPackages } from "./packages.mjs";
import { startProgress } from "./progress.mjs";
import { webSocketsFault, webSocketsHelp, webSocketsSource } from "./websockets.mjs";

/** What a person has to do something about; the message says what. */
export class SetupError extends Error {}

/**
 * What a command needs.
 * @typedef {{ needsWebSockets: boolean, withDevelopment: boolean }} Needs
 */

/** @param {Needs} needs */
export async function setUp(needs) {
  if (isReady(needs)) return;
  await withInstallLock(clone, async (own) => {
    // Another start may have done it while this one waited.
    if (isReady(needs)) return;
    const npm = new Npm({ clone, logFolder: cacheFolder(process.env), env: process.env, onStart: own });
    await installPackages(npm, needs, missingPackages(clone, needs));
    if (needs.needsWebSockets) await replaceWebSockets(npm, needs);
  });
}

/** @param {Needs} needs */
function isReady(needs) {
  return missingPackages(clone, needs).length === 0 && (!needs.needsWebSockets || webSocketsFault(clone) === undefined);
}

/**
 * @param {Npm} npm
 * @param {Needs} needs
 * @param {string[]} missing
 */
async function installPackages(npm, needs, missing) {
  if (missing.length === 0) return;
  const progress = startProgress(`installing packages (${missing.length} missing)`);
  // `npm ci` begins by removing all that is there, and where it fails nothing is left; `npm install` puts back what was.
  const command = existsSync(join(clone, "node_modules")) ? ["install", "--no-save"] : ["ci"];
  // Development packages too: the type check of a deploy reads @types/node. NODE_ENV=production would leave them out.
  const failure = await npm.run([...command, "--include=dev"]);
  if (failure !== undefined) {
    progress.fail();
    throw new SetupError(`npm ${command[0]} failed.\n\n${failure}\n\nCan this machine reach the npm registry? Then try again: npm start`);
  }
  const still = missingPackages(clone, needs);
  if (still.length > 0) {
    progress.fail();
    throw new SetupError(
      `npm ${command[0]} ended well, but did not install ${still.slice(0, 5).join(", ")}. Try: rm -r node_modules && npm start`,
    );
  }
  progress.done("installed packages");
}

/**
 * @param {Npm} npm
 * @param {Needs} needs
 */
async function replaceWebSockets(npm, needs) {
  // Replaced earlier, for another Node: what package-lock.json names may fit again.
  if (webSocketsFault(clone) !== undefined && isReplaced(clone)) await installPackages(npm, needs, ["uWebSockets.js"]);
  const fault = webSocketsFault(clone);
  if (fault === undefined) return;
  const source = webSocketsSource(process.env);
  const progress = startProgress(`fetching uWebSockets.js for Node ${process.versions.node}`);
  // --no-save and --no-package-lock: which binary fits is this machine's business, not the repository's.
  const failure = await npm.run([
    "install",
    "--no-save",
    "--no-package-lock",
    "--include=dev",
    "--fetch-retries=1",
    `uWebSockets.js@${source}`,
  ]);
  const left = failure ?? webSocketsFault(clone);
  if (left !== undefined) {
    progress.fail();
    throw new SetupError(webSocketsHelp({ fault, source, failure: left }));
  }
  progress.done("fetched uWebSockets.js");
}
