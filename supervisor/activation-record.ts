// Which release a restart of this installation serves: the record on the disk, and the link `current` that follows it.

import { readActivation, writeActivation } from "../process/activation-file.ts";
import type { Activation } from "../protocol/membership.ts";
import { pointCurrent } from "./current.ts";
import type { Log } from "./log-display.ts";
import type { Release } from "./releases/release.ts";

export class ActivationRecord {
  private readonly file: string;
  private readonly log: Pick<Log, "event">;

  constructor(file: string, log: Pick<Log, "event">) {
    this.file = file;
    this.log = log;
  }

  /** @throws where the file is there and cannot be understood. */
  read(): Activation | undefined {
    return readActivation(this.file);
  }

  /** Returns when it is on the disk. */
  write(activation: Activation, release: Release): void {
    writeActivation(this.file, activation);
    pointCurrent(release, this.log);
  }

  /** A release that a restart shall not serve is activated: generations go on from here all the same. */
  writeGeneration(generation: number): void {
    const recorded = this.read();
    if (recorded !== undefined) writeActivation(this.file, { ...recorded, generation });
  }
}
