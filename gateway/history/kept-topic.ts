// What one topic gets of what is kept, at this gateway: in the order of the streams, each once. On a gap it holds back what follows until
// the stream was read from there. And the latest of it, once somebody has asked for that: what was delivered so far, and nothing else, so
// that a subscriber who is given it misses nothing and gets nothing twice. Pure.

import { type HistoryEntry, type HistoryRead, type Position, stillKept } from "../../protocol/history.ts";
import { LatestEntries } from "./latest-entries.ts";

/** As NATS publishes it. */
export interface LiveEntry extends HistoryEntry {
  /** The one of this topic before it, in its stream; 0: there is none. */
  readonly before: number;
}

export interface KeptTopicOptions {
  readonly deliver: (entry: HistoryEntry) => void;
  /** Read what this epoch has behind this offset, and call `repaired`. */
  readonly onGap: (epoch: string, offset: number) => void;
}

/** What may wait for a repair. */
const heldEntries = 1_000;

export class KeptTopic {
  /** Entries that were gone before they could be read. */
  missed = 0;
  /** Those who have asked for the latest and have not got it: it is kept for them. */
  readers = 0;
  /** When somebody asked last. */
  usedAt = 0;
  private readonly options: KeptTopicOptions;
  /** The last offset that was delivered, or that was there before anybody here wanted any; by epoch. */
  private readonly reached = new Map<string, number>();
  /** Epochs with a gap that is being read, and whether more has come that was read from elsewhere: then it is read again. */
  private readonly gaps = new Map<string, boolean>();
  private held: Array<LiveEntry | (() => void)> = [];
  /** Reads that are under way: what comes meanwhile is held back. */
  private pauses = 0;
  private latest: LatestEntries | undefined;
  /** What was there is known, and of which streams there was nothing. */
  private wasRead = false;
  /** What was delivered since a reading for the latest began. */
  private arrived: HistoryEntry[] | undefined;

  constructor(options: KeptTopicOptions) {
    this.options = options;
  }

  /** What is published without `keep` has to wait, too. */
  get isHolding(): boolean {
    return this.held.length > 0;
  }

  get ends(): ReadonlyMap<string, number> {
    return this.reached;
  }

  /** Whether all up to there has been delivered, or is not to be. */
  hasReached({ epoch, offset }: Position): boolean {
    return (this.reached.get(epoch) ?? 0) >= offset;
  }

  /** Of the latest that are kept here. */
  get bytes(): number {
    return this.latest?.bytes ?? 0;
  }

  take(entry: LiveEntry): void {
    if (this.pauses > 0 || this.isHolding) {
      this.behind(entry);
      return;
    }
    if (!this.takeNow(entry)) this.held.push(entry);
  }

  /** Takes an entry, or runs an action, behind what is held back. */
  behind(item: LiveEntry | (() => void)): void {
    this.held.push(item);
    if (this.held.length > heldEntries) this.giveUp();
  }

  /** Everything that comes is held back until `resume`. */
  pause(): void {
    this.pauses++;
  }

  resume(): void {
    this.pauses = Math.max(0, this.pauses - 1);
    this.drain();
  }

  /** The stream was read from where a gap began: what is not among these is gone. */
  repaired(epoch: string, entries: readonly HistoryEntry[]): void {
    for (const entry of entries) this.deliverNew(entry);
    const isReadAgain = this.gaps.get(epoch) === true;
    this.gaps.delete(epoch);
    if (isReadAgain) return this.ask(epoch, this.reached.get(epoch) ?? 0);
    this.passOver(this.held.find((item) => typeof item !== "function" && item.epoch === epoch));
    this.resume();
  }

  /** Nobody repairs what is missing. */
  giveUp(): void {
    this.passOver(this.held.find((item) => typeof item !== "function"));
    this.pauses = 0;
    this.gaps.clear();
    this.drain();
  }

  /** An entry of a stream that was read from somewhere on, which is behind all that was heard of it. */
  replay(entry: HistoryEntry): void {
    if (this.gaps.has(entry.epoch)) this.gaps.set(entry.epoch, true);
    else this.deliverNew(entry);
  }

  /** An entry as it was read from its stream, with all before it. */
  private deliverNew(entry: HistoryEntry): void {
    if (entry.offset <= (this.reached.get(entry.epoch) ?? 0)) return;
    this.reached.set(entry.epoch, entry.offset);
    this.deliver(entry);
  }

  /** The stream has lost what it had behind this offset. */
  rewind(epoch: string, offset: number): void {
    if ((this.reached.get(epoch) ?? 0) > offset) this.reached.set(epoch, offset);
  }

  /** A reading for the latest begins now. */
  beginReading(): void {
    this.arrived ??= [];
  }

  /** @param depth What was asked for. */
  endReading({ latest, further, ends }: HistoryRead, size: { readonly depth: number; readonly bytes: number }): void {
    const arrived = this.arrived ?? [];
    this.arrived = undefined;
    const behind = arrived.filter(({ epoch, offset }) => offset > (ends.get(epoch) ?? 0));
    this.latest = undefined;
    this.wasRead = true;
    for (const entry of further) this.deliverNew(entry);
    // What nobody here was to get.
    for (const [epoch, offset] of ends) if ((this.reached.get(epoch) ?? 0) < offset) this.reached.set(epoch, offset);
    this.latest = new LatestEntries(size, [...latest, ...behind]);
  }

  failReading(): void {
    this.arrived = undefined;
  }

  forgetLatest(): void {
    this.latest = undefined;
  }

  /** @param now By the store's clock. @returns the latest, oldest first; undefined: so many have to be read. */
  find(last: number, now: number): readonly HistoryEntry[] | undefined {
    if (this.latest === undefined || this.latest.depth < last) return undefined;
    return stillKept(this.latest.all, last, now);
  }

  /** @returns false where something before it is missing: that is asked for. */
  private takeNow(entry: LiveEntry): boolean {
    const last = this.reached.get(entry.epoch) ?? (this.wasRead ? 0 : undefined);
    if (last === undefined || entry.before <= last) {
      this.deliverNew(entry);
      return true;
    }
    this.pauses++;
    this.ask(entry.epoch, last);
    return false;
  }

  private ask(epoch: string, offset: number): void {
    this.gaps.set(epoch, false);
    this.options.onGap(epoch, offset);
  }

  private drain(): void {
    while (this.pauses === 0) {
      const item = this.held.shift();
      if (item === undefined) return;
      if (typeof item === "function") item();
      else if (!this.takeNow(item)) this.held.unshift(item);
    }
  }

  private deliver(entry: HistoryEntry): void {
    this.arrived?.push(entry);
    this.latest?.add(entry);
    this.options.deliver(entry);
  }

  /** What is missing before it is gone. */
  private passOver(entry: LiveEntry | (() => void) | undefined): void {
    if (entry === undefined || typeof entry === "function") return;
    const last = this.reached.get(entry.epoch) ?? 0;
    if (entry.before <= last) return;
    this.missed++;
    this.reached.set(entry.epoch, entry.before);
  }
}
