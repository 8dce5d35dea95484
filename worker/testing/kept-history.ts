// What topics keep, in memory, as the gateways' store does.

import { entriesAfter, type HistoryEntry, mostKeptMessages, type Retention, stillKept } from "../../protocol/history.ts";
import { flag } from "../../protocol/records.ts";
import type { Frame } from "../effects.ts";
import type { HistoryEntry as SeenEntry } from "../handler.ts";
import { ReceivedMessage } from "../message.ts";
import { bytesOf } from "./seen.ts";

export class KeptHistory {
  private readonly now: () => number;
  private readonly topics = new Map<string, HistoryEntry[]>();
  private last = 0;

  /** @param now Milliseconds since 1970. */
  constructor(now: () => number) {
    this.now = now;
  }

  keep(topic: string, frame: Frame, retention: Retention): void {
    const isBinary = (frame.flags & flag.binary) !== 0;
    const epoch = `${retention.messages}x${retention.seconds}`;
    const entry = { epoch, offset: ++this.last, at: this.now(), retention, data: bytesOf(frame), isBinary, except: [] };
    this.topics.set(topic, [...(this.topics.get(topic) ?? []), entry]);
  }

  /** Oldest first. */
  latest(topic: string, last: number): HistoryEntry[] {
    return stillKept(this.topics.get(topic) ?? [], last, this.now());
  }

  /** Oldest first. @param position Behind which they are. */
  behind(topic: string, position: string): HistoryEntry[] {
    return entriesAfter(this.latest(topic, mostKeptMessages), position);
  }

  /** As a client that subscribes gets them. */
  frames(entries: readonly HistoryEntry[]): Frame[] {
    return entries.map(({ data, isBinary }) => ({ payload: data, flags: isBinary ? flag.binary : 0 }));
  }

  /** As app.history tells. */
  seen(topic: string, last: number): SeenEntry[] {
    return this.latest(topic, last).map(({ data, isBinary, epoch, offset, at }) => {
      return { data: new ReceivedMessage(data, isBinary), position: `${epoch}:${offset}`, at: new Date(at) };
    });
  }
}
