// What of a handler runs beside turns: its onStart and its tasks.

import type { App } from "../handler.ts";
import type { TestRelease } from "./in-memory-gateway.ts";

/** How long an onStart may take; a worker gives it longer. Less than a test usually has. */
const startLimitMs = 4_000;

export class Background {
  private readonly app: (release: string) => App;
  /** What runs, and when it has settled. */
  private running: { readonly stopping: AbortController; readonly settled: Promise<unknown> } | undefined;
  /** How often it was started: the `generation` of an onStart, and the `fence` of each task. */
  private starts = 0;

  constructor(app: (release: string) => App) {
    this.app = app;
  }

  /** Where a task throws, that is an unhandled rejection, which fails the tests. @throws what onStart throws, and where it does not settle. */
  async start({ handler, name }: TestRelease): Promise<void> {
    const stopping = new AbortController();
    const { signal } = stopping;
    const number = ++this.starts;
    const app = this.app(name);
    const started = (async () => handler.onStart?.(app, { signal, generation: number }))();
    const tasks = Object.values(handler.tasks ?? {}).map(async (task) => {
      try {
        await task.run(app, { signal, fence: number });
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    });
    this.running = { stopping, settled: Promise.allSettled([started, ...tasks]) };
    await inTime(started, "onStart has not settled");
  }

  async stop(): Promise<void> {
    this.running?.stopping.abort();
    await inTime(Promise.resolve(this.running?.settled), "onStart or a task has not settled after its signal aborted");
  }

  /** @throws what the next one's onStart throws: the one before goes on, started again. */
  async startInstead(next: TestRelease, before: TestRelease): Promise<void> {
    await this.stop();
    try {
      await this.start(next);
    } catch (error) {
      this.running?.stopping.abort();
      await this.start(before);
      throw error;
    }
  }
}

/** @throws where it does not settle in time. */
async function inTime(settled: Promise<unknown>, text: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`${text} within ${startLimitMs / 1000} s: return, and let what goes on end with the signal`);
    timer = setTimeout(() => reject(error), startLimitMs);
  });
  await Promise.race([settled, late]).finally(() => clearTimeout(timer));
}
