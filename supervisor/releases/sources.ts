// Which files of the clone make a worker, copied and hashed. What git ignores stays behind, but for the handlers, and so
// does what no worker runs.

import { createHash } from "node:crypto";
import { constants, copyFile, mkdir, readdir, readFile, realpath, stat } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { git } from "./git.ts";
import { type HandlerFolders, handlerFolders } from "./handler-folders.ts";

/** Folders at the top of the clone that no worker imports: a change there makes no new release. */
const parts = ["gateway", "supervisor", "scripts", "testbed", "bench", "chaos", "abuse", "fuzz", "examples", "test", "docs", "systemd"];
const notForWorkers = new Set([...parts, ".ci", ".github", ".vscode", ".idea", "node_modules", ".git"]);

export interface Revision {
  readonly commit: string | null;
  readonly dirty: boolean;
}

/** Without git, without a commit, or where the repository is another one that this clone only lies in: nothing is known. */
export async function revisionOf(clone: string): Promise<Revision> {
  try {
    const [head, status] = await Promise.all([
      git(clone, ["rev-parse", "HEAD"]),
      // Without locks: somebody may be committing.
      git(clone, ["--no-optional-locks", "status", "--porcelain", "."]),
      git(clone, ["ls-files", "--error-unmatch", "package.json"]),
    ]);
    return { commit: head.trim(), dirty: status !== "" };
  } catch {
    return { commit: null, dirty: false };
  }
}

/** @returns paths relative to the clone, sorted; some may be gone by the time they are read. */
export async function listSources(clone: string, folders: HandlerFolders): Promise<string[]> {
  const handlersOf = async (folder: string) => wholeFiles(clone, await walk(clone, folder));
  const [files, ...handlers] = await Promise.all([listFiles(clone, isForWorkers), ...handlerFolders(folders).map(handlersOf)]);
  return [...new Set([...files, ...handlers.flat()].filter((file) => !isTest(file)))].sort();
}

/** Folders of files that lie elsewhere and are only linked into the clone; absolute, without links. */
export async function linkedFolders(clone: string, files: readonly string[]): Promise<string[]> {
  const home = await realpath(clone);
  const places = await Promise.all(files.map((file) => realpath(join(clone, file)).catch(() => join(home, file))));
  return [...new Set(places.filter((place, index) => place !== join(home, files[index] ?? "")).map(dirname))];
}

async function wholeFiles(clone: string, files: readonly string[]): Promise<string[]> {
  return (await Promise.all(files.map((file) => filesBehind(clone, file)))).flat();
}

/** All files in a submodule, or in a folder that is linked to: git, and what lists a folder, has either as one file. */
async function filesBehind(clone: string, path: string, above: readonly string[] = []): Promise<string[]> {
  const state = await stat(join(clone, path)).catch(() => undefined);
  if (state?.isDirectory() !== true) return [path];
  const place = await realpath(join(clone, path));
  // A link to what it lies in.
  if (above.includes(place)) return [];
  const files = await walk(clone, path);
  return (await Promise.all(files.map((file) => filesBehind(clone, file, [...above, place])))).flat();
}

/** @throws the signal's reason; what the file system throws. */
export async function copySources(options: { clone: string; files: readonly string[]; to: string; signal: AbortSignal }): Promise<void> {
  const { clone, files, to, signal } = options;
  const folders = new Set(files.map((file) => join(to, dirname(file))));
  await Promise.all([...folders].map((folder) => mkdir(folder, { recursive: true })));
  await Promise.all(
    files.map(async (file) => {
      signal.throwIfAborted();
      await copySource(join(clone, file), join(to, file));
    }),
  );
}

/** SHA-256 of names and contents, in hex. A file that is gone counts as one that was never there. */
export async function hashSources(folder: string, files: readonly string[]): Promise<string> {
  const contents = await Promise.all(files.map((file) => readFile(join(folder, file)).catch(() => undefined)));
  const hash = createHash("sha256");
  for (const [index, content] of contents.entries()) {
    if (content !== undefined) hash.update(`${files[index]}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}

async function copySource(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Deleted, though git still tracks it.
    if (code !== "ENOENT") throw error;
  }
}

/**
 * Files that git does not ignore; without git, all.
 * @param isWanted Asked of a file's path, and where git is of no help, of each file and folder at the top first.
 */
export async function listFiles(clone: string, isWanted: (path: string) => boolean): Promise<string[]> {
  const listed = await git(clone, ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).catch(() => "");
  const files = listed.split("\0");
  // A clone that was unpacked within another repository, which ignores it, is no checkout.
  const found = files.includes("package.json") ? files : await walk(clone, ".", isWanted);
  return wholeFiles(clone, found.filter(isWanted));
}

async function walk(clone: string, folder: string, isWanted = (_path: string) => true): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(join(clone, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.name === "node_modules" || entry.name === ".git" || !isWanted(path)) continue;
    if (entry.isDirectory()) files.push(...(await walk(clone, path)));
    else files.push(path);
  }
  return files;
}

function isForWorkers(file: string): boolean {
  return file !== "" && whyNeverInRelease(file) === undefined;
}

/** Of a file of the clone, for people; undefined where it is in each release, unless git ignores it. */
export function whyNeverInRelease(file: string): string | undefined {
  const top = file.split(sep, 1)[0] ?? "";
  if (notForWorkers.has(top) || top.startsWith(".thinstate")) return `a release holds nothing of ${top}`;
  if (file === ".env") return "what it has is given to workers as their environment";
  if (/^[^/]+\.md$/.test(file)) return "a release holds no .md files of the clone's top folder";
  return isTest(file) ? "a release holds no tests" : undefined;
}

function isTest(file: string): boolean {
  return /\.test\.\w+$/.test(file);
}

/** Folders that git ignores, relative to the clone; none without git. */
export async function ignoredFolders(clone: string): Promise<string[]> {
  const listed = await git(clone, ["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"]).catch(() => "");
  return listed.split("\0").flatMap((path) => (path.endsWith("/") ? [path.slice(0, -1)] : []));
}
