// The workers of a gateway in memory: the one that gets work, and those before it that still have turns to finish.

import type { App } from "../handler.ts";
import type { Mailbox } from "../mailbox.ts";
import { Refusals } from "../refusal-counts.ts";
import { Turns, type TurnsOptions } from "../turns.ts";
import type { TestLocks } from "./test-locks.ts";

export interface TestWorkersOptions extends Pick<TurnsOptions, "limits" | "now" | "onThrown"> {
  readonly appOf: (release: string) => App;
  readonly locks: TestLocks;
}

export class TestWorkers {
  private readonly options: TestWorkersOptions;
  /** The one that gets work is the last. */
  private all: Turns[] = [];
  private readonly workerOf = new WeakMap<Mailbox, Turns>();

  constructor(options: TestWorkersOptions) {
    this.options = options;
  }

  /** Another one gets the work from now on. */
  start(release: string): void {
    const { appOf, locks, ...options } = this.options;
    const { now } = options;
    this.all.push(
      new Turns({
        ...options,
        release,
        app: appOf(release),
        lock: (connection, name, waitMs) => locks.take(connection, name, now() + waitMs, now()),
        exclusive: { mayRun: () => true, step: () => undefined },
        refusals: new Refusals(),
      }),
    );
  }

  /** All of them die with what they have in hand, and another one starts. */
  replace(mailboxes: Iterable<Mailbox>, release: string): void {
    const dead = this.all.splice(0);
    for (const mailbox of mailboxes) for (const worker of dead) worker.forget(mailbox);
    this.start(release);
  }

  /** The latest one gets it. */
  assign(mailbox: Mailbox): void {
    const worker = this.all.at(-1);
    if (worker !== undefined) this.workerOf.set(mailbox, worker);
  }

  isLatest(mailbox: Mailbox | undefined): boolean {
    return mailbox !== undefined && this.workerOf.get(mailbox) === this.all.at(-1);
  }

  run(mailbox: Mailbox): void {
    this.workerOf.get(mailbox)?.run(mailbox);
  }

  sweep(): void {
    for (const worker of this.all) worker.sweep();
  }
}
