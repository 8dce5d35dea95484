// Power may fail right after an activation: what is activated has to be on the disk by then, names included.

import { open, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Fewer than any system's limit of open files. */
const openAtOnce = 32;

/** Returns when a file's contents, or a folder's names, are on the disk. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path);
  await handle.sync().finally(() => handle.close());
}

/**
 * The same for all files and folders in a folder (a release has no links but hard ones), packages too: the clone's may have been
 * installed a moment ago.
 * @param except A folder in it that is left out, with all below.
 * @throws the signal's reason.
 */
export async function syncTree(folder: string, signal: AbortSignal, except: string): Promise<void> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => !`${name}/`.startsWith(`${except}/`));
  const paths = names.map((name) => join(folder, name));
  const syncNext = async () => {
    for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
      signal.throwIfAborted();
      await syncPath(path);
    }
  };
  await Promise.all(Array.from({ length: openAtOnce }, syncNext));
  await syncPath(folder);
}
