// Writes a file so that a crash or a power cut leaves the old one or the new one, whole.

import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Returns when it is on the disk. @throws what the file system throws. */
export function writeDurably(file: string, text: string, mode: number): void {
  const fresh = `${file}.new`;
  const descriptor = openSync(fresh, "w", mode);
  try {
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
