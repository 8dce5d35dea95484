// What a release says about itself: one JSON file in its folder, written last. A folder without a valid one is no release.

import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { routeHello } from "../../protocol/membership.ts";

export const routeHellos = v.array(routeHello);

const manifest = v.object({
  id: v.string(),
  /** ISO 8601, UTC. */
  createdAt: v.string(),
  /** Of the clone; null where it is no git checkout. */
  commit: v.nullable(v.string()),
  /** Whether the clone had changes that were not committed. */
  dirty: v.boolean(),
  /** SHA-256 of package-lock.json, in hex, as is sourceHash of all sources. */
  lockHash: v.string(),
  sourceHash: v.string(),
  /** The release that was active when this one was made. */
  previous: v.nullable(v.string()),
  /** Relative to the release's folder. */
  handlersDir: v.string(),
  demosDir: v.optional(v.string()),
  /** Empty in a release that was not checked. */
  routes: routeHellos,
  /** The version of Node that it was made by. */
  node: v.string(),
  /** The version of the wire format that it speaks. */
  protocol: v.number(),
});

export type Manifest = Readonly<v.InferOutput<typeof manifest>>;

const fileName = "manifest.json";

/** Returns when the file is on the disk, so that a power cut cannot leave a release without it. */
export async function writeManifest(folder: string, body: Manifest): Promise<void> {
  const file = await open(join(folder, fileName), "wx");
  try {
    await file.writeFile(`${JSON.stringify(body, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** @returns undefined where there is none, or none that this version understands. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  const text = await readFile(join(folder, fileName), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return v.parse(manifest, JSON.parse(text));
  } catch {
    return undefined;
  }
}
