// What Node has compiled of a release, kept in its folder, so that its workers start sooner. Node checks these files for damage only:
// whoever may write them decides what workers run. So no two releases share a file, and where workers run as a user of their own, what a
// trial has written becomes root's when the trial is over.

import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { chmod, copyFile, lchown, lstat, mkdir, open, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { compiledFolder } from "../../process/native-typescript.mjs";

const run = promisify(execFile);

/** Ten times what Node makes of the largest file that a worker loads. */
const mostBytes = 16 * 1024 * 1024;

/**
 * Makes the empty folder that a trial compiles into.
 * @param folder Of the release; nobody else may write to it.
 * @param user Who runs the trial; undefined: whoever runs this process.
 */
export async function prepareCompiled(folder: string, user: string | undefined): Promise<void> {
  const target = join(folder, compiledFolder);
  await mkdir(target, { recursive: true });
  if (user !== undefined) await run("chown", [`${user}:`, target]);
}

/**
 * Copies what the release before has, for dev mode: nothing is tried there, workers compile by themselves, and a saved handler is to be
 * live at once. As far as it goes: what is missing is compiled again.
 */
export async function copyCompiled({ from, to }: { from: string; to: string }): Promise<void> {
  const [source, target] = [join(from, compiledFolder), join(to, compiledFolder)];
  for (const version of await foldersIn(source)) {
    await mkdir(join(target, version), { recursive: true });
    const names = await readdir(join(source, version)).catch(() => []);
    const copy = (name: string) => copyFile(join(source, version, name), join(target, version, name), constants.COPYFILE_FICLONE);
    await Promise.all(names.map((name) => copy(name).catch(() => undefined)));
  }
}

/**
 * Takes over what a trial of another user has compiled: afterwards the files are ours, everybody may read them, and nobody else may write
 * to them. Of the trial, processes may still run, and try to have us read or change something else. So a folder becomes ours before its
 * names are read, and of its files, new ones are made: somebody may have an old one open.
 */
export async function takeCompiled(folder: string): Promise<void> {
  const compiled = join(folder, compiledFolder);
  const { uid } = await lstat(compiled);
  const ours = join(folder, `${compiledFolder}-ours`);
  await mkdir(ours, { mode: 0o755 });
  await seize(compiled);
  for (const version of await foldersIn(compiled)) {
    await seize(join(compiled, version));
    await mkdir(join(ours, version), { mode: 0o755 });
    for (const name of await readdir(join(compiled, version))) {
      const content = await readOf(join(compiled, version, name), uid);
      if (content !== undefined) await write(join(ours, version, name), content);
    }
    await chmod(join(ours, version), 0o755);
  }
  await chmod(ours, 0o755);
  // The system's own follows no link, whatever becomes of a folder meanwhile; Node's goes by paths.
  await run("rm", ["-rf", "--", compiled]);
  await rename(ours, compiled);
}

/** @param folder In one that is ours, so it cannot be replaced meanwhile. */
async function seize(folder: string): Promise<void> {
  await lchown(folder, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
  await chmod(folder, 0o755);
}

/** Node has one for each of its versions. */
async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** @returns undefined where it is no file of this user's own: a link, a pipe, somebody else's file. */
async function readOf(path: string, uid: number): Promise<Buffer | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const state = await file.stat();
    if (!state.isFile() || state.uid !== uid || state.size > mostBytes) return undefined;
    const content = Buffer.alloc(state.size);
    const { bytesRead } = await file.read(content, 0, state.size, 0);
    return content.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function write(path: string, content: Buffer): Promise<void> {
  await writeFile(path, content, { flag: "wx", mode: 0o644 });
  await chmod(path, 0o644);
}
