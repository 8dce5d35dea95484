// Which releases were rolled back lately, and why: one JSON file, for npm run status. A release that a deploy has rolled back by
// itself is gone, and nothing else remembers it.

import { readFileSync } from "node:fs";
import * as v from "valibot";
import { replaceFile } from "../process/replace-file.ts";
import type { Log } from "./log-display.ts";

const entry = v.object({
  /** The release. */
  id: v.string(),
  /** Milliseconds since 1970. */
  at: v.number(),
  /** For people: "its turns throw clearly more often than before: 12 of 48 (before: 0 of 2,310)". */
  why: v.string(),
});

const entries = v.array(entry);

export type Rollback = Readonly<v.InferOutput<typeof entry>>;

/** As many as releases are kept. */
const keptEntries = 5;

export class RollbackHistory {
  private readonly file: string;
  private readonly log: Pick<Log, "event">;

  constructor(file: string, log: Pick<Log, "event">) {
    this.file = file;
    this.log = log;
  }

  /** The newest first. Empty where there is no file, or none that can be understood: nothing depends on it. */
  list(): readonly Rollback[] {
    try {
      return v.parse(entries, JSON.parse(readFileSync(this.file, "utf8")));
    } catch {
      return [];
    }
  }

  /** Never throws: the rollback itself has happened. */
  async add(id: string, why: string): Promise<void> {
    const others = this.list().filter((other) => other.id !== id);
    await this.write([{ id, at: Date.now(), why }, ...others].slice(0, keptEntries));
  }

  /** A release serves again. */
  async forget(id: string): Promise<void> {
    const all = this.list();
    const others = all.filter((other) => other.id !== id);
    if (others.length < all.length) await this.write(others);
  }

  private async write(list: readonly Rollback[]): Promise<void> {
    try {
      await replaceFile(this.file, `${JSON.stringify(list)}\n`, 0o644);
    } catch (error) {
      this.log.event("warn", `npm run status will not show which release was rolled back: ${(error as Error).message}`);
    }
  }
}
