// What Node has compiled of a release, kept in its folder: its trial compiles, its workers only read. A release inherits it from
// the one before, so that only what has changed is compiled. Node checks it against the source, so a wrong file does no harm.

import { execFile } from "node:child_process";
import { link, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { compiledFolder } from "../../process/native-typescript.mjs";

export interface CompiledOptions {
  /** The folder of the release before; undefined: there is none. */
  readonly from: string | undefined;
  /** The folder of the release. */
  readonly to: string;
  /** Who runs its trial and its workers, where that is somebody else. */
  readonly user: string | undefined;
}

/** Hard links, since Node replaces these files and never writes into one. */
export async function inheritCompiled({ from, to, user }: CompiledOptions): Promise<void> {
  const target = join(to, compiledFolder);
  await mkdir(target, { recursive: true });
  if (from !== undefined) await linkAll(join(from, compiledFolder), target);
  if (user !== undefined) await promisify(execFile)("chown", ["-R", `${user}:`, target]);
}

/** As far as it goes: what is missing is compiled again. */
async function linkAll(from: string, to: string): Promise<void> {
  const entries = await readdir(from, { withFileTypes: true }).catch(() => []);
  await Promise.all(
    entries.map(async (entry) => {
      const [source, target] = [join(from, entry.name), join(to, entry.name)];
      if (entry.isFile()) return link(source, target).catch(() => undefined);
      if (!entry.isDirectory()) return;
      await mkdir(target, { recursive: true });
      await linkAll(source, target);
    }),
  );
}
