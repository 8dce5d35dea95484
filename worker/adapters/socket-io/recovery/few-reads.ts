// Reads what topics keep for many who come back at once: few topics at a time, and once for all who want one that is not being read yet.

import type { App, HistoryEntry } from "../../../handler.ts";

/** As much as a topic keeps, and as app.history reads. */
export const mostEntries = 1_000;
/** A gateway has other work: for each, it reads all that the topic keeps. */
const atOnce = 16;

export class FewReads {
  private running = 0;
  private readonly queue: Array<() => void> = [];
  /** Those that have not begun, by topic. */
  private readonly waiting = new Map<string, Promise<readonly HistoryEntry[]>>();

  /** @returns what is kept when all is stored that was before the call, oldest first. Shared: not to be changed. @throws as app.history */
  read(app: App, topic: string): Promise<readonly HistoryEntry[]> {
    const known = this.waiting.get(topic);
    if (known !== undefined) return known;
    const reading = this.readLater(app, topic);
    this.waiting.set(topic, reading);
    return reading;
  }

  private async readLater(app: App, topic: string): Promise<readonly HistoryEntry[]> {
    await (this.running++ < atOnce ? undefined : new Promise<void>((resolve) => this.queue.push(resolve)));
    this.waiting.delete(topic);
    try {
      return await app.history(topic, { last: mostEntries });
    } finally {
      this.running--;
      this.queue.shift()?.();
    }
  }
}
