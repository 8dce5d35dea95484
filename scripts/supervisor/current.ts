// `current`, beside `releases`: a link to the release that serves, for people and for their scripts. What is read at a start is
// the record of the activation; the link follows it.

import { closeSync, fsyncSync, openSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";

const name = "current";

/**
 * Switches the link by one rename: whoever looks finds the release before or this one. Returns when it is on the disk.
 * @param releaseFolder `<folder>/releases/<name>`; the link has the path from the folder that both are in.
 */
export function pointCurrent(releaseFolder: string): void {
  const releases = dirname(releaseFolder);
  const folder = dirname(releases);
  const fresh = join(folder, `.${name}-${process.pid}`);
  rmSync(fresh, { force: true });
  symlinkSync(releaseFolder.slice(folder.length + 1), fresh);
  renameSync(fresh, join(folder, name));
  const descriptor = openSync(folder, "r");
  fsyncSync(descriptor);
  closeSync(descriptor);
}
