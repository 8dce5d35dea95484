// Makes a clone ready to run, whatever state it is in, and costs milliseconds where it is ready already. Repairs what an
// interrupted installation has left.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { adviceOn, chooseBuild, findBinary, thisMachine } from "../../gateway/uws/choice.mjs";
import { cacheFolder, clone } from "./cache.mjs";
import { withInstallLock } from "./lock.mjs";
import { Npm } from "./npm.mjs";
import { missingPackages } from "./packages.mjs";
import { startProgress } from "./progress.mjs";

/** What a person has to do something about; the message says what. */
export class SetupError extends Error {}

/**
 * What a command needs.
 * @typedef {{ needsWebSockets: boolean, withDevelopment: boolean, withScripts: boolean }} Needs withScripts: packages may run their own
 *   while they are installed. Those of ours work without.
 */

/**
 * @param {Needs} needs
 * @returns {Promise<string | undefined>} What people should know of what runs here, one line.
 * @throws {SetupError}
 */
export async function setUp({ needsWebSockets, withDevelopment, withScripts }) {
  const machine = thisMachine();
  const build = needsWebSockets ? chooseBuild(machine) : undefined;
  if (typeof build === "string") throw new SetupError(build);
  const listMissing = () => {
    const packages = missingPackages(clone, { withDevelopment });
    return build === undefined || findBinary(build) ? packages : [...packages, `node_modules/${build.binary}`];
  };
  if (listMissing().length > 0) {
    await withInstallLock(clone, async (own) => {
      // Another start may have done it while this one waited.
      if (listMissing().length === 0) return;
      await installPackages(new Npm({ clone, logFolder: cacheFolder(process.env), env: process.env, onStart: own }), {
        listMissing,
        withScripts,
      });
    });
  }
  return build && adviceOn(build, machine);
}

/**
 * @param {Pick<Npm, "run">} npm
 * @param {{ listMissing: () => string[], withScripts: boolean }} options
 */
export async function installPackages(npm, { listMissing, withScripts }) {
  const progress = startProgress(`installing packages (${listMissing().length} missing)`);
  // `npm ci` begins by removing all that is there, and where it fails nothing is left; `npm install` puts back what was.
  const command = existsSync(join(clone, "node_modules")) ? ["install", "--no-save"] : ["ci"];
  // Development packages too: the type check of a deploy reads @types/node. NODE_ENV=production would leave them out.
  const failure = await npm.run([...command, "--include=dev", ...(withScripts ? [] : ["--ignore-scripts"])]);
  if (failure !== undefined) {
    progress.fail();
    const hint = failure.isOfNetwork ? "\n\nCan this machine reach the npm registry? Then try again." : "";
    throw new SetupError(`npm ${command[0]} failed.\n\n${failure.text}${hint}`);
  }
  const still = listMissing();
  if (still.length > 0) {
    progress.fail();
    throw new SetupError(
      `npm ${command[0]} succeeded, but did not install ${still.slice(0, 5).join(", ")}. Does your npm registry have it? If it does, try: rm -r node_modules && npm start`,
    );
  }
  progress.done("installed packages");
}
