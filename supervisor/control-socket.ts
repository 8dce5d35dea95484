// Where the control socket is: in the cache folder, or, where that path is too long for a socket, in a folder of its own in the
// system's folder for temporary files. Everybody may write there, so the name of ours cannot be guessed, nobody else may enter it, and
// a link in the cache folder tells where it is.

import { lstatSync, mkdtempSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** sun_path has 108 bytes on Linux and 104 on macOS, with the zero at the end. */
const pathLimitBytes = 103;

const name = "control.sock";

/** @returns Its path; undefined: there is none, or one that somebody else may have made. */
export function findControlSocket(cacheFolder: string): string | undefined {
  const path = join(cacheFolder, name);
  if (isShort(path)) return path;
  try {
    const target = readlinkSync(path);
    return isOurs(dirname(target), path) ? target : undefined;
  } catch {
    return undefined;
  }
}

/** Makes room for a new one: what a killed supervisor has left is removed. */
export function placeControlSocket(cacheFolder: string): string {
  removeControlSocket(cacheFolder);
  const path = join(cacheFolder, name);
  if (isShort(path)) return path;
  // Mode 0700.
  const target = join(mkdtempSync(join(tmpdir(), "thinstate-")), name);
  symlinkSync(target, path);
  return target;
}

export function removeControlSocket(cacheFolder: string): void {
  const [path, target] = [join(cacheFolder, name), findControlSocket(cacheFolder)];
  if (target !== undefined && target !== path) rmSync(dirname(target), { recursive: true, force: true });
  rmSync(path, { force: true });
}

/** After a boot, or a cleaning, somebody else may have made a folder of the same name. */
function isOurs(folder: string, link: string): boolean {
  const state = lstatSync(folder);
  return state.isDirectory() && state.uid === lstatSync(link).uid && (state.mode & 0o077) === 0;
}

function isShort(path: string): boolean {
  return Buffer.byteLength(path) <= pathLimitBytes;
}
