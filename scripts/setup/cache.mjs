// Where this installation keeps what is not in the repository: releases, nats-server, logs, the control socket.

import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The clone: the folder that has package.json. */
export const clone = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/**
 * @param {NodeJS.ProcessEnv} env THINSTATE_DIR names another folder, relative to the clone or absolute, so that one clone can
 *   run several installations.
 * @returns {string} The absolute path of the cache folder. It may not exist yet.
 */
export function cacheFolder(env) {
  return resolve(clone, env.THINSTATE_DIR || ".thinstate");
}
