// Counts what a process has met outside of any connection, by its error's code: what it refused, and bugs.

import { isCodedError } from "../protocol/errors.ts";
import type { Kind } from "./sparse-log.ts";

export class FaultMeter {
  /** By code; what has none is a bug. */
  readonly counts: Record<string, number> = {};
  private readonly log: (kind: Kind, error: unknown, text: string) => void;

  /** @param log Sparse: whoever speaks on NATS may send garbage without end. */
  constructor(log: (kind: Kind, error: unknown, text: string) => void) {
    this.log = log;
  }

  meet(error: unknown): void {
    const code = isCodedError(error) ? error.code : undefined;
    const name = code ?? "bug";
    this.counts[name] = (this.counts[name] ?? 0) + 1;
    if (code === undefined) this.log({}, error, "bug outside of any connection");
    else this.log({ code }, error, "refused what came over NATS");
  }
}
