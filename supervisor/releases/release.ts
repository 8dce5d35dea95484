// Releases: folders, each a whole worker that nothing in the clone can change any more. A folder gets its name by one rename
// when it is complete, so a half-made one is never seen.

import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { compiledFolder } from "../../process/native-typescript.mjs";
import { protocolVersion } from "../../protocol/envelope.ts";
import type { RouteHello } from "../../protocol/membership.ts";
import { checkRelease } from "./check.ts";
import type { RunAs } from "./check-process.ts";
import { copyCompiled, prepareCompiled, takeCompiled } from "./compiled.ts";
import { syncPath, syncTree } from "./durable.ts";
import { checkFolders, type HandlerFolders, handlerFolders } from "./handler-folders.ts";
import { type Manifest, readManifest, writeManifest } from "./manifest.ts";
import { openToAll } from "./modes.ts";
import { borrowPackages, bringPackages } from "./packages.ts";
import { ReleaseError } from "./refusal.ts";
import { devReleaseName, isReleaseName, releaseName, timeOf } from "./release-name.ts";
import { copySources, hashSources, linkedFolders, listSources, revisionOf } from "./sources.ts";

export type { Manifest };
export { ReleaseError };

export interface Release {
  readonly id: string;
  /** Absolute. Workers run in it. */
  readonly folder: string;
  readonly manifest: Manifest;
}

/** Its folders are inside the clone. */
export interface MakeOptions extends HandlerFolders {
  /** The release that is active now. */
  readonly previous: string | null;
  /** What is being done, for people who wait. */
  readonly onStep: (text: string) => void;
  /** Leaves nothing behind. */
  readonly signal: AbortSignal;
  /**
   * false: dev mode. Nothing is checked (workers find a broken handler when they load it; `routes` is empty), packages are
   * the clone's own, and the release is named `dev-<milliseconds>`.
   */
  readonly check: boolean;
  /**
   * Nobody is served yet: the checks need not leave processors to others. And types may stay unchecked, where packages that this
   * needs are not installed; `onStep` says so.
   */
  readonly isFirst?: boolean;
}

export type InspectOptions = Pick<MakeOptions, "handlersDir" | "demosDir" | "signal">;

export interface ReleaseStore {
  /** @throws {ReleaseError} with what is wrong and where; the signal's reason. */
  make(options: MakeOptions): Promise<Release>;
  /** Whether `make` would make one of the clone as it is. @throws what `make` throws. */
  inspect(options: InspectOptions): Promise<void>;
  /** Oldest first. */
  list(): Promise<Release[]>;
  get(id: string): Promise<Release | undefined>;
  /** Does nothing where there is no such release. */
  remove(id: string): Promise<void>;
  /** Removes all but the newest `keep` and those in `protect`. @returns the removed ones' ids. */
  prune(keep: number, protect: readonly string[]): Promise<string[]>;
  /** Of the clone as it is now: equal to a release's where that would come out the same. */
  sourceHash(folders: HandlerFolders): Promise<string>;
  /** Folders of files that are only linked into the clone, and are copied into a release; absolute. */
  linkedFolders(folders: HandlerFolders): Promise<string[]>;
  /** Removes what processes that are gone have left half made or half removed. */
  clean(): Promise<void>;
}

export interface ReleasesOptions {
  readonly clone: string;
  /** On the clone's file system, better: packages are hard-linked. */
  readonly folder: string;
  /** What handlers find beside them wherever they run, and so in their trial too. */
  readonly sharedDir: string;
  /** What else handlers find in their environment, on top of ours. */
  readonly handlerEnv?: NodeJS.ProcessEnv;
  /** How much processor time the type check, and the trial load of all handlers, may take each. */
  readonly checkLimitMs?: number;
  /**
   * Where workers run as another user: packages are copied then, so that nothing that happens in the clone changes what runs,
   * everybody may read everything, and that user loads the handlers to try them.
   */
  readonly runAs?: RunAs;
}

export function openReleases(options: ReleasesOptions): ReleaseStore {
  return new ReleaseFolder(options);
}

export const usualCheckLimitMs = 20_000;
/** `.making-<pid>-<random>`, `.removing-<pid>-<random>`. */
const leftoverName = /^\.(?:making|removing)-([0-9]+)-/;

class ReleaseFolder implements ReleaseStore {
  private readonly clone: string;
  private readonly folder: string;
  private readonly sharedDir: string;
  private readonly handlerEnv: NodeJS.ProcessEnv;
  private readonly checkLimitMs: number;
  private readonly runAs: RunAs | undefined;
  /** Names of what this process has in hand: not leftovers. */
  private readonly inHand = new Set<string>();

  constructor({ clone, folder, sharedDir, handlerEnv = {}, checkLimitMs = usualCheckLimitMs, runAs }: ReleasesOptions) {
    this.clone = clone;
    this.folder = folder;
    this.sharedDir = sharedDir;
    this.handlerEnv = handlerEnv;
    this.checkLimitMs = checkLimitMs;
    this.runAs = runAs;
  }

  async make(options: MakeOptions): Promise<Release> {
    await checkFolders(this.clone, options);
    return this.inTemporaryFolder((folder) => this.fill(folder, options));
  }

  async inspect({ handlersDir, demosDir, signal }: InspectOptions): Promise<void> {
    await checkFolders(this.clone, { handlersDir, demosDir });
    const options = { handlersDir, demosDir, signal, check: true, previous: null, onStep: () => undefined };
    await this.inTemporaryFolder(async (folder) => this.check(folder, await this.copy(folder, options), options));
  }

  private async inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
    const temporary = this.temporaryName("making");
    try {
      const folder = join(this.folder, temporary, "release");
      await mkdir(folder, { recursive: true });
      // Types may come from packages that a release does not hold: wherever releases are kept, the compiler finds the clone's here.
      await borrowPackages({ clone: this.clone, to: join(this.folder, temporary) });
      return await work(folder);
    } finally {
      // After the rename there is no release in it.
      await rm(join(this.folder, temporary), { recursive: true, force: true });
      this.inHand.delete(temporary);
    }
  }

  async list(): Promise<Release[]> {
    const names = await readdir(this.folder).catch(() => []);
    const releases = await Promise.all(names.map((name) => this.get(name)));
    const madeAt = ({ id, manifest }: Release) => timeOf(id) ?? Date.parse(manifest.createdAt);
    return releases.filter((release) => release !== undefined).sort((a, b) => madeAt(a) - madeAt(b) || (a.id < b.id ? -1 : 1));
  }

  async get(id: string): Promise<Release | undefined> {
    if (!isReleaseName(id)) return undefined;
    const folder = join(this.folder, id);
    const manifest = await readManifest(folder);
    return manifest && { id, folder, manifest };
  }

  async remove(id: string): Promise<void> {
    if (!isReleaseName(id)) return;
    const temporary = this.temporaryName("removing");
    try {
      // First the name, so that nobody finds half a release.
      await rename(join(this.folder, id), join(this.folder, temporary));
      await rm(join(this.folder, temporary), { recursive: true, force: true });
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw error;
    } finally {
      this.inHand.delete(temporary);
    }
  }

  async prune(keep: number, protect: readonly string[]): Promise<string[]> {
    const releases = await this.list();
    const old = releases.slice(0, Math.max(0, releases.length - keep)).filter(({ id }) => !protect.includes(id));
    for (const { id } of old) await this.remove(id);
    return old.map(({ id }) => id);
  }

  async sourceHash(folders: HandlerFolders): Promise<string> {
    return hashSources(this.clone, await listSources(this.clone, folders));
  }

  async linkedFolders(folders: HandlerFolders): Promise<string[]> {
    return linkedFolders(this.clone, await listSources(this.clone, folders));
  }

  async clean(): Promise<void> {
    for (const name of await readdir(this.folder).catch(() => [])) {
      const pid = leftoverName.exec(name)?.[1];
      if (pid === undefined || this.inHand.has(name)) continue;
      // A pid like ours is of an earlier life: in a container they repeat.
      if (Number(pid) !== process.pid && isAlive(Number(pid))) continue;
      await rm(join(this.folder, name), { recursive: true, force: true });
    }
  }

  private async fill(folder: string, options: MakeOptions): Promise<Release> {
    const { handlersDir, demosDir, previous, onStep, signal, check } = options;
    const createdAt = new Date();
    onStep("copying sources and packages");
    const files = await this.copy(folder, options);
    // Of the copy, since the clone may have changed since.
    const [sourceHash, lockText, revision] = await Promise.all([
      hashSources(folder, files),
      readFile(join(folder, "package-lock.json"), "utf8").catch(() => ""),
      revisionOf(this.clone),
    ]);
    if (check) onStep("checking types and loading the handlers");
    const [routes] = check ? await Promise.all([this.check(folder, files, options), syncTree(folder, signal, compiledFolder)]) : [[]];
    signal.throwIfAborted();
    const facts = {
      createdAt: createdAt.toISOString(),
      ...revision,
      lockHash: createHash("sha256").update(lockText).digest("hex"),
      sourceHash,
      previous,
      handlersDir,
      ...(demosDir !== undefined && { demosDir }),
      routes,
      node: process.versions.node,
      protocol: protocolVersion,
    };
    const id = check ? releaseName(createdAt, revision, sourceHash, await readdir(this.folder)) : devReleaseName(createdAt);
    return this.publish(folder, { id, ...facts });
  }

  /** @returns what it has of the clone, relative to it. */
  private async copy(folder: string, { handlersDir, demosDir, previous, signal, check }: MakeOptions): Promise<string[]> {
    const { clone } = this;
    const folders = { handlersDir, demosDir };
    const files = await listSources(clone, folders);
    const copied = await Promise.allSettled([
      copySources({ clone, files, to: folder, signal }),
      check
        ? bringPackages({ clone, to: folder, signal, part: "worker", isCopied: this.runAs !== undefined })
        : borrowPackages({ clone, to: folder }),
      // It may be empty: then a worker says so.
      ...handlerFolders(folders).map((name) => mkdir(join(folder, name), { recursive: true })),
    ]);
    // Settled, all of them: what still writes while the folder is removed would leave something behind.
    for (const result of copied) if (result.status === "rejected") throw result.reason;
    if (this.runAs !== undefined) await openToAll(folder);
    await prepareCompiled(folder, this.runAs?.user);
    if (!check && previous !== null) await copyCompiled({ from: join(this.folder, previous), to: folder });
    return files;
  }

  private async check(
    folder: string,
    files: readonly string[],
    { handlersDir, demosDir, signal, isFirst = false, onStep }: MakeOptions,
  ): Promise<RouteHello[]> {
    const { clone, sharedDir, handlerEnv, checkLimitMs: limitMs, runAs } = this;
    const folders = { handlersDir, demosDir, sharedDir };
    try {
      return await checkRelease({ clone, folder, files, ...folders, handlerEnv, limitMs, signal, isFirst, onStep, runAs });
    } finally {
      // Of a release that is refused, too: it is removed then, and what others can change meanwhile would lead astray.
      if (runAs !== undefined) await takeCompiled(folder);
    }
  }

  private async publish(folder: string, manifest: Manifest): Promise<Release> {
    await writeManifest(folder, manifest);
    await syncPath(folder);
    const place = join(this.folder, manifest.id);
    await rename(folder, place);
    // The rename is on the disk only when the folder is.
    await syncPath(this.folder);
    return { id: manifest.id, folder: place, manifest };
  }

  private temporaryName(doing: "making" | "removing"): string {
    const name = `.${doing}-${process.pid}-${randomBytes(4).toString("hex")}`;
    this.inHand.add(name);
    return name;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, "EPERM");
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}
