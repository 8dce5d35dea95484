// Replaces files whole: whoever reads, and whoever starts after a crash, finds the old one or the new one.

import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Returns when it is on the disk: a power cut does not undo it. That may take a while, and nothing else runs meanwhile.
 * @throws what the file system throws.
 */
export function replaceDurably(file: string, text: string, mode: number): void {
  replace(file, text, mode, true);
  const folder = openSync(dirname(file), "r");
  fsyncSync(folder);
  closeSync(folder);
}

/** Returns when everybody sees it; a power cut may undo it. @throws what the file system throws. */
export function replaceSoon(file: string, text: string, mode: number): void {
  replace(file, text, mode, false);
}

function replace(file: string, text: string, mode: number, isDurable: boolean): void {
  const fresh = `${file}.new`;
  const descriptor = openSync(fresh, "w", mode);
  try {
    writeSync(descriptor, text);
    if (isDurable) fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(fresh, file);
}
