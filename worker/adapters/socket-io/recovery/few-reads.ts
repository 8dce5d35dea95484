// Reads what topics keep for many who come back at once: few topics at a time, and once for all who want one that is not being read yet.

import type { App, HistoryEntry } from "../../../handler.ts";

export type Entries = readonly HistoryEntry[];

interface Waiting {
  /** Nobody waits for it any longer, in ms since 1970. */
  until: number;
  readonly entries: Promise<Entries | undefined>;
}

export function bytesOf(entries: Entries): number {
  return entries.reduce((sum, { data }) => sum + Buffer.byteLength(data.text()), 0);
}

/** As much as a topic keeps, and as app.history reads. */
export const mostEntries = 1_000;
/** A gateway has other work: for each, it reads all that the topic keeps. */
const atOnce = 16;

export class FewReads {
  private running = 0;
  private readonly queue: Array<() => void> = [];
  /** Those that have not begun, by topic. */
  private readonly waiting = new Map<string, Waiting>();

  /**
   * @param until In ms since 1970.
   * @returns what is kept when all is stored that was before the call, oldest first; shared: not to be changed. undefined: its turn has not
   *   come by then. @throws as app.history
   */
  read(app: App, topic: string, until: number): Promise<Entries | undefined> {
    const known = this.waiting.get(topic);
    if (known === undefined) {
      const entries = this.readLater(app, topic, until);
      this.waiting.set(topic, { until, entries });
      return entries;
    }
    known.until = Math.max(known.until, until);
    return known.entries;
  }

  private async readLater(app: App, topic: string, until: number): Promise<Entries | undefined> {
    await (this.running++ < atOnce ? undefined : new Promise<void>((resolve) => this.queue.push(resolve)));
    const latest = this.waiting.get(topic)?.until ?? until;
    this.waiting.delete(topic);
    try {
      return Date.now() > latest ? undefined : await app.history(topic, { last: mostEntries });
    } finally {
      this.running--;
      this.queue.shift()?.();
    }
  }
}
