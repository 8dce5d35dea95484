// What one connection wants of one lock. Pure.

import type { CodedError } from "../../protocol/errors.ts";
import type { LockClaim } from "../../protocol/lock-value.ts";

/** Told the fence of whoever has got it, undefined where others have it, or why it cannot be had. */
export type LockAnswer = (outcome: number | undefined | CodedError) => void;

export class Claim implements LockClaim {
  readonly connection: string;
  readonly name: string;
  wants: LockClaim["wants"] = "now";
  /** Until the store has put it behind those who wait. */
  isAgain: boolean;
  /** Its number, once the connection has the lock. */
  fence: number | undefined;
  /** Whether a turn has committed that it wants it. */
  isKept = false;
  /** Why the store could not be asked the last time. */
  failure: CodedError | undefined;
  private until = 0;
  /** Several, where one turn asks twice, or was given to another worker. */
  private answers: LockAnswer[] = [];

  /** @param isAgain The connection has just given it up, and the store does not know yet. */
  constructor(connection: string, name: string, isAgain: boolean) {
    this.connection = connection;
    this.name = name;
    this.isAgain = isAgain;
  }

  wait(waitMs: number, answer: LockAnswer, now: number): void {
    if (waitMs > 0) this.wants = "line";
    this.until = Math.max(this.until, now + waitMs);
    this.answers.push(answer);
  }

  /** Whether it has waited for long enough. Where it would not wait, the store's first answer tells. */
  isLate(now: number): boolean {
    return this.wants === "line" && this.fence === undefined && now >= this.until;
  }

  hold(fence: number): void {
    this.fence = fence;
    this.tell(fence);
  }

  over(outcome: CodedError | undefined): void {
    this.wants = "over";
    this.tell(outcome);
  }

  /** The store cannot be asked. Who would wait goes on to. */
  failed(error: unknown): void {
    this.failure = error as CodedError;
    if (this.wants === "now" && this.fence === undefined) this.over(this.failure);
  }

  private tell(outcome: Parameters<LockAnswer>[0]): void {
    for (const answer of this.answers.splice(0)) answer(outcome);
  }
}
