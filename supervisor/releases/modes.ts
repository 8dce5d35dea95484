// Who may read a tree of files that others run: everybody, whatever the person who made it keeps to herself.

import { chmod, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Everybody may read everything below, nobody but the owner may write. */
export async function openToAll(path: string): Promise<void> {
  const state = await lstat(path);
  if (state.isSymbolicLink()) return;
  const executable = state.isDirectory() || (state.mode & 0o111) !== 0;
  await chmod(path, executable ? 0o755 : 0o644);
  if (state.isDirectory()) await Promise.all((await readdir(path)).map((name) => openToAll(join(path, name))));
}
