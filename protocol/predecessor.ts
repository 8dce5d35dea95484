// A process that was started again in the place of one that has ended without a word tells the others so: a dead process cannot,
// and until its silence tells, nobody runs its connections' onClose. A file of the place keeps who that is, through a power cut, too.

import { readFileSync } from "node:fs";
import type { Bus } from "./bus.ts";
import { writeDurably } from "./durable.ts";
import { encodeAnnouncement } from "./membership.ts";
import { subjectsOf } from "./subjects.ts";

export interface PlaceOptions {
  /** Of this place alone; empty: nothing is kept. A line for each id, that of the process first. */
  readonly file: string;
  /** Of this process. */
  readonly id: string;
}

export class Place {
  private readonly options: PlaceOptions;
  private readonly unsettled: Set<string>;
  private hasLeft = false;

  /** @throws what the file system throws. */
  constructor(options: PlaceOptions) {
    this.options = options;
    this.unsettled = new Set(options.file === "" ? [] : linesOf(options.file));
    this.write();
  }

  /** Those that were here before and have ended without a word, as far as nobody has settled what that means. */
  get before(): string[] {
    return [...this.unsettled];
  }

  /** Tells everybody that they have ended. Said again where we end soon: no harm in it. */
  tell(bus: Bus, namespace: string): void {
    for (const id of this.unsettled) bus.publish(subjectsOf(namespace).members, encodeAnnouncement({ kind: "gone", id, reason: "exited" }));
  }

  /** What is to be done for their end is done. @throws what the file system throws. */
  settle(ids: Iterable<string>): void {
    for (const id of ids) this.unsettled.delete(id);
    this.write();
  }

  /** This process ends, and leaves nothing to be done. @throws what the file system throws. */
  leave(): void {
    this.hasLeft = true;
    this.write();
  }

  private write(): void {
    const { file, id } = this.options;
    const ids = this.hasLeft ? this.before : [id, ...this.unsettled];
    if (file !== "") writeDurably(file, ids.map((each) => `${each}\n`).join(""), 0o600);
  }
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n").filter(Boolean);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
