// A process that was started again in the place of one that has ended without a word tells the others so: a dead process cannot,
// and until its silence tells, nobody runs its connections' onClose. A file of the place keeps who that is, through a power cut, too.

import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Bus } from "./bus.ts";
import { encodeAnnouncement } from "./membership.ts";
import { replaceDurably, replaceSoon } from "./replace-file.ts";
import { subjectsOf } from "./subjects.ts";

const mode = 0o600;

export interface PlaceOptions {
  /** Of this place alone; empty: nothing is kept. A line for each id, the latest first. */
  readonly file: string;
  /** Of this process. */
  readonly id: string;
}

export class Place {
  private readonly options: PlaceOptions;
  private readonly unsettled: Set<string>;
  private isTaken = false;

  /** Reads who was here. @throws what the file system throws. */
  constructor(options: PlaceOptions) {
    this.options = options;
    this.unsettled = new Set(options.file === "" ? [] : linesOf(options.file));
  }

  /** Those that were here before and have ended without a word, as far as nobody has settled what that means. */
  get before(): string[] {
    return [...this.unsettled];
  }

  /** Tells everybody that they have ended. Said again where we end soon: no harm in it. */
  tell(bus: Bus, namespace: string): void {
    for (const id of this.unsettled) bus.publish(subjectsOf(namespace).members, encodeAnnouncement({ kind: "gone", id, reason: "exited" }));
  }

  /** From now on an end without a word would matter. Returns when that is on the disk. @throws what the file system throws. */
  take(): void {
    this.isTaken = true;
    this.write(replaceDurably);
  }

  /** What is to be done for their end is done. @throws what the file system throws. */
  settle(ids: readonly string[]): void {
    for (const id of ids) this.unsettled.delete(id);
    // Undone by a power cut, it is done twice.
    this.write(replaceSoon);
  }

  /** This process ends, and leaves nothing to be done. @throws what the file system throws. */
  leave(): void {
    this.isTaken = false;
    this.write(replaceSoon);
  }

  private write(replace: typeof replaceSoon): void {
    const { file, id } = this.options;
    if (file !== "") replace(file, textOf([...(this.isTaken ? [id] : []), ...this.unsettled]), mode);
  }
}

/**
 * Of places that are numbered from 1, the files in one folder: what those leave that there are no more goes to the first place.
 * @throws what the file system throws.
 */
export function joinPlaces(folder: string, count: number): void {
  const left = readdirSync(folder).filter((name) => Number(name) > count);
  if (left.length === 0) return;
  const first = join(folder, "1");
  const ids = [...linesOf(first), ...left.flatMap((name) => linesOf(join(folder, name)))];
  replaceDurably(first, textOf(ids), mode);
  for (const name of left) rmSync(join(folder, name));
}

function textOf(ids: readonly string[]): string {
  return ids.map((id) => `${id}\n`).join("");
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n").filter(Boolean);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
