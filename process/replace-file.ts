// Replaces files whole: whoever reads, and whoever starts after a power cut, finds the old one or the new one.

import { closeSync, fchmodSync, fchownSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Resolves when the new one is on the disk. @throws what the file system throws. */
export async function replaceFile(file: string, text: string, mode: number): Promise<void> {
  const fresh = `${file}.new`;
  const handle = await open(fresh, "w", mode);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(fresh, file);
  const folder = await open(dirname(file), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Returns when the new one is on the disk; nothing else runs meanwhile.
 * @param owner undefined: whoever runs this.
 * @throws what the file system throws.
 */
export function replaceFileSync(file: string, text: string, mode: number, owner?: Owner): void {
  const fresh = `${file}.new`;
  // One that was cut off may have left a file of another mode. And the folder may be somebody else's, whose link root must not follow.
  rmSync(fresh, { force: true });
  const descriptor = openSync(fresh, "wx", mode);
  try {
    // Whatever the umask is.
    fchmodSync(descriptor, mode);
    if (owner !== undefined) fchownSync(descriptor, owner.uid, owner.gid);
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(fresh, file);
  const folder = openSync(dirname(file), "r");
  fsyncSync(folder);
  closeSync(folder);
}
