// What runs at the moment on the bench's behalf and has to end with it, also when somebody presses Ctrl-C.

import { onSignals } from "../process/signals.ts";

export interface Ending {
  end(): Promise<void>;
}

const interrupted = 130;

export class Running {
  /** What is still starting, too. */
  private readonly parts = new Set<Promise<Ending>>();
  private isLeaving = false;

  /** Uses something and ends it, whatever happens. @throws what its start or the action throws. */
  async use<P extends Ending, T>(starting: Promise<P>, action: (part: P) => Promise<T>): Promise<T> {
    this.parts.add(starting);
    try {
      return await action(await starting);
    } finally {
      // Whoever leaves ends everything: nothing goes on after this.
      if (this.isLeaving) await new Promise(() => undefined);
      this.parts.delete(starting);
      await end(starting);
    }
  }

  /** Runs an action; a signal to us ends everything that it uses, the last first, and then us; a second one ends us at once. */
  async whole<T>(action: () => Promise<T>): Promise<T> {
    const forget = onSignals((_signal, isRepeated) => {
      if (isRepeated) process.exit(interrupted);
      void this.leave();
    });
    try {
      return await action();
    } finally {
      forget();
    }
  }

  private async leave(): Promise<void> {
    this.isLeaving = true;
    for (const part of [...this.parts].reverse()) await end(part);
    process.exit(interrupted);
  }
}

/** What did not even start has ended itself. */
async function end(starting: Promise<Ending>): Promise<void> {
  const part = await starting.catch(() => undefined);
  await part?.end();
}
