// The packages of a release, as hard links to those of the clone: they cost no space and hardly any time, and outlive an
// `npm ci` in the clone, which removes names and writes new files.

import { constants, copyFile, cp, link, mkdir, readdir, readFile, realpath, symlink } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { ReleaseError } from "./refusal.ts";

const lock = v.object({ packages: v.record(v.string(), v.object({ dev: v.optional(v.boolean()) })) });

/** Large, and of no use to what runs: the type check uses the clone's compiler. */
const compiler = /^(typescript|@typescript\/.*)$/;
/** Only gateways hold sockets. */
const webSockets = /^(uWebSockets\.js.*|@uwsjs\/.*)$/;

/** What `link` fails with where a copy would do: another device, a file system without links, somebody else's file. */
const copyInstead = new Set(["EXDEV", "EPERM", "EACCES", "EMLINK", "ENOTSUP", "ENOSYS"]);

export interface PackagesOptions {
  readonly clone: string;
  /** The folder that gets a node_modules. */
  readonly to: string;
  readonly signal: AbortSignal;
  /** Who will run there. */
  readonly part: "worker" | "gateway";
  /** Instead of links: whoever owns the clone then cannot change what runs. */
  readonly isCopied: boolean;
}

/**
 * Production packages by the lock file, as far as they are installed: those for other platforms are not.
 * @throws {ReleaseError} without a lock file; the signal's reason.
 */
export async function bringPackages({ clone, to, signal, part, isCopied }: PackagesOptions): Promise<void> {
  const installed = await realpath(join(clone, "node_modules"));
  const all = productionPackages(await readFile(join(clone, "package-lock.json"), "utf8").catch(() => ""));
  const names = all.filter((name) => !compiler.test(name) && (part === "gateway" || !webSockets.test(name)));
  const bring = isCopied ? copyPackageFile : linkPackageFile;
  await Promise.all(names.map((name) => bringTree(join(installed, name), join(to, "node_modules", name), { signal, bring })));
}

/** The clone's packages as they are, whatever happens to them: for dev mode, and for types. */
export async function borrowPackages({ clone, to }: Pick<PackagesOptions, "clone" | "to">): Promise<void> {
  await symlink(await realpath(join(clone, "node_modules")), join(to, "node_modules"));
}

function productionPackages(text: string): string[] {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), lock), text);
  if (!parsed.success) {
    throw new ReleaseError([{ file: "package-lock.json", text: "is missing, or not npm's: a release needs it; run npm install" }]);
  }
  const names: string[] = [];
  for (const [path, { dev }] of Object.entries(parsed.output.packages)) {
    // A nested package comes along with the one that it is nested in.
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path)?.[1];
    if (name !== undefined && dev !== true) names.push(name);
  }
  return names;
}

interface Bringing {
  readonly signal: AbortSignal;
  readonly bring: (from: string, to: string) => Promise<void>;
}

async function bringTree(from: string, to: string, bringing: Bringing): Promise<void> {
  bringing.signal.throwIfAborted();
  const entries = await readdir(from, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (entries === undefined) return;
  await mkdir(to, { recursive: true });
  await Promise.all(
    entries.map((entry) => {
      const source = join(from, entry.name);
      const target = join(to, entry.name);
      if (entry.isDirectory()) return bringTree(source, target, bringing);
      return entry.isFile() ? bringing.bring(source, target) : cp(source, target, { recursive: true, dereference: true });
    }),
  );
}

async function copyPackageFile(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE);
}

async function linkPackageFile(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!copyInstead.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    await copyPackageFile(from, to);
  }
}
