// At its start a process announces the end of the crashed process whose identity file it takes over. Otherwise the others would notice
// only by its silence, and onClose would wait that long. The file survives a power cut.

import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Bus } from "../protocol/bus.ts";
import { encodeAnnouncement, memberId } from "../protocol/membership.ts";
import { replaceFile, replaceFileSync } from "./replace-file.ts";

const mode = 0o600;

export interface IdentityFileOptions {
  /** No two processes at a time have the same; empty: nothing is kept. A line for each id. */
  readonly file: string;
  /** Of this process. */
  readonly id: string;
}

export class IdentityFile {
  private readonly options: IdentityFileOptions;
  private readonly ids: Set<string>;
  private isTaken = false;
  private written: Promise<void> = Promise.resolve();

  /** Reads who had the file before. @throws what the file system throws. */
  constructor(options: IdentityFileOptions) {
    this.options = options;
    this.ids = new Set(options.file === "" ? [] : linesOf(options.file));
  }

  /** Processes that have crashed, as far as what that means has not been settled. */
  get crashed(): string[] {
    return [...this.ids];
  }

  /** Announces their ends. @param subject Where processes of this kind speak to everybody. Said again where this process ends soon: no harm in it. */
  tell(bus: Bus, subject: string): void {
    for (const id of this.ids) bus.publish(subject, encodeAnnouncement({ kind: "gone", id, reason: "exited" }));
  }

  /** From now on a crash of this process would matter. Resolves when that is on the disk. @throws what the file system throws. */
  take(): Promise<void> {
    this.isTaken = true;
    return this.write();
  }

  /** Another one has crashed, and nobody may start in its place. @throws what the file system throws. */
  add(id: string): Promise<void> {
    this.ids.add(id);
    return this.write();
  }

  /** What is to be done for their crashes is done. @throws what the file system throws. */
  settle(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.ids.delete(id);
    return this.write();
  }

  /** This process ends, and leaves nothing to be done. @throws what the file system throws. */
  leave(): Promise<void> {
    this.isTaken = false;
    return this.write();
  }

  private write(): Promise<void> {
    const { file, id } = this.options;
    if (file === "") return Promise.resolve();
    const write = () => replaceFile(file, textOf([...(this.isTaken ? [id] : []), ...this.ids]), mode);
    // One after the other; what failed before does not keep the next from trying.
    this.written = this.written.then(write, write);
    return this.written;
  }
}

/**
 * Of files that are numbered from 1, in one folder: those above `count` are removed, and what they hold goes to the first.
 * @throws what the file system throws.
 */
export function joinIdentityFiles(folder: string, count: number): void {
  const left = readdirSync(folder).filter((name) => Number(name) > count);
  if (left.length === 0) return;
  const first = join(folder, "1");
  const ids = [...linesOf(first), ...left.flatMap((name) => linesOf(join(folder, name)))];
  replaceFileSync(first, textOf(ids), mode);
  for (const name of left) rmSync(join(folder, name));
}

function textOf(ids: readonly string[]): string {
  return ids.map((id) => `${id}\n`).join("");
}

function linesOf(file: string): string[] {
  try {
    // A damaged file may hold anything.
    return readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => memberId.test(line));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
