// For tests: a small clone of our own that they may edit, break and `npm ci`, with the real worker side and real packages.

import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { bringPackages } from "./packages.ts";
import { type MakeOptions, openReleases, type ReleaseStore } from "./release.ts";
import { copySources, listSources } from "./sources.ts";

const ourClone = join(import.meta.dirname, "..", "..");

export interface TestClone {
  readonly folder: string;
  readonly store: ReleaseStore;
  /** The folder of the store. */
  readonly releases: string;
  /** `make` with what a test has no opinion about. */
  options(more?: Partial<MakeOptions>): MakeOptions;
  write(file: string, text: string): Promise<void>;
  remove(): Promise<void>;
}

export async function testClone(): Promise<TestClone> {
  // Inside our clone, which ignores it: on one file system, so that packages are linked.
  const folder = await mkdtemp(join(ourClone, ".thinstate-clone-"));
  const { signal } = new AbortController();
  await copySources({ clone: ourClone, files: await listSources(ourClone, { handlersDir: "worker/handlers" }), to: folder, signal });
  await bringPackages({ clone: ourClone, to: folder, signal, part: "worker", isCopied: false });
  for (const name of ["typescript", "@typescript", "@types"]) {
    await symlink(join(ourClone, "node_modules", name), join(folder, "node_modules", name));
  }
  const releases = join(folder, ".thinstate", "releases");
  return {
    folder,
    releases,
    store: openReleases({ clone: folder, folder: releases, sharedDir: join(folder, ".thinstate", "shared") }),
    // At full priority: on a machine that runs other tests, low priority takes half a minute.
    options: (more = {}) => ({
      handlersDir: "worker/handlers",
      previous: null,
      onStep: () => {},
      signal,
      check: true,
      isFirst: true,
      ...more,
    }),
    async write(file, text) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), text);
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
