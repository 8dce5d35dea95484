// What topics keep: how much, and what is needed of whatever stores it. The store is NATS' JetStream: nats/history-store.ts.

import * as v from "valibot";
import { CodedError } from "./errors.ts";

/** How much a topic keeps: the latest messages, none older than this. */
export interface Retention {
  readonly messages: number;
  readonly seconds: number;
}

export const mostKeptMessages = 1_000;
/** 31 days. */
export const mostKeptSeconds = 31 * 24 * 3600;

const whole = (most: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(most));

export const retentionSchema = v.object({ messages: whole(mostKeptMessages), seconds: whole(mostKeptSeconds) });
export const lastSchema = whole(mostKeptMessages);

/** The latest entries of a topic, the oldest first, by column. */
export const historySchema = v.object({
  history: v.object({
    data: v.array(v.custom<Uint8Array>((value) => value instanceof Uint8Array, "bytes")),
    binary: v.array(v.boolean()),
    positions: v.array(v.string()),
    /** Milliseconds since 1970. */
    at: v.array(v.number()),
  }),
});

export type HistoryBody = v.InferOutput<typeof historySchema>;

export function historyBody(entries: readonly HistoryEntry[]): HistoryBody {
  const history: HistoryBody["history"] = { data: [], binary: [], positions: [], at: [] };
  for (const { epoch, offset, at, data, isBinary } of entries) {
    history.data.push(data);
    history.binary.push(isBinary);
    history.positions.push(`${epoch}:${offset}`);
    history.at.push(at);
  }
  return { history };
}

/** @throws {CodedError} "history.invalid" */
export function checkRetention(keep: unknown): Retention {
  const parsed = v.safeParse(retentionSchema, keep);
  if (parsed.success) return parsed.output;
  const what = `keep is { messages: 1 to ${mostKeptMessages}, seconds: 1 to ${mostKeptSeconds} }, whole numbers`;
  throw new CodedError("history.invalid", `${what}, not ${JSON.stringify(keep)}`);
}

/** @throws {CodedError} "history.invalid" */
export function checkLast(last: unknown): number {
  if (v.is(lastSchema, last)) return last;
  throw new CodedError("history.invalid", `last is a whole number from 1 to ${mostKeptMessages}, not ${JSON.stringify(last)}`);
}

/** A place in a stream: behind the entry that has this offset. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** @param after `epoch:offset`, as app.history tells. @throws {CodedError} "history.invalid" */
export function parsePosition(after: unknown): Position {
  const [, epoch, offset] = (typeof after === "string" && /^([a-z0-9]{1,64}):(\d{1,15})$/.exec(after)) || [];
  if (epoch !== undefined) return { epoch, offset: Number(offset) };
  throw new CodedError("history.invalid", `after is the position of an entry of app.history, not ${JSON.stringify(after)}`);
}

/** @returns how many of the latest, or behind which position; undefined: neither. @throws {CodedError} "history.invalid" */
export function checkBeginning(options: { readonly last?: unknown; readonly after?: unknown } = {}): number | string | undefined {
  const { last, after } = options;
  if (after === undefined) return last === undefined ? undefined : checkLast(last);
  if (last !== undefined) throw new CodedError("history.invalid", "last and after exclude each other");
  parsePosition(after);
  return after as string;
}

/** One message that a topic keeps. */
export interface HistoryEntry {
  /** Of the stream that has it. A stream that is made anew has another. */
  readonly epoch: string;
  /** Its number there: the streams of all topics count together, so numbers skip. */
  readonly offset: number;
  /** When it was stored: milliseconds since 1970, by the store's clock. */
  readonly at: number;
  /** How much the stream keeps. */
  readonly retention: Retention;
  readonly data: Uint8Array;
  readonly isBinary: boolean;
  /** Ids of connections that do not get it when it is new. */
  readonly except: readonly string[];
}

export interface NewEntry {
  /** The same for each attempt to store it, and no other's. */
  readonly id: string;
  readonly topic: string;
  readonly retention: Retention;
  readonly data: Uint8Array;
  readonly isBinary: boolean;
  readonly except: readonly string[];
  /** Since it was tried first, in milliseconds. */
  readonly triedMs: number;
}

export interface HistoryRange {
  /** So many of the latest, of all epochs, and no more bytes. */
  readonly last: number;
  readonly bytes: number;
  /** And all behind these offsets, by epoch. */
  readonly after?: ReadonlyMap<string, number>;
  /** And all since then, of other epochs; by our clock. */
  readonly since?: number;
}

export interface HistoryRead {
  /** Oldest first. */
  readonly latest: HistoryEntry[];
  /** Those behind `after`, and since `since`: in the order of their stream. */
  readonly further: HistoryEntry[];
  /** The last offset of the topic, by epoch. */
  readonly ends: ReadonlyMap<string, number>;
}

/** Where streams are, for whoever follows them. */
export interface StreamEnd {
  readonly epoch: string;
  readonly lastOffset: number;
}

/**
 * Methods throw {CodedError} "history.unavailable" where there is no store, and "history.tooMany" where there would be too many kinds of
 * retention. Anything else that they throw is a fault that may pass: what was to be stored may be, and is to be tried again.
 */
export interface HistoryStore {
  /** Resolves when it is stored: once, however often it is tried. Then it is published to the topic's live subject. */
  append(entry: NewEntry): Promise<void>;
  /** Everything that was stored before is in it. */
  read(topic: string, range: HistoryRange): Promise<HistoryRead>;
  /** All streams as they are now. */
  ends(): Promise<StreamEnd[]>;
  /** What all topics of a stream keep, from this offset on, or since then by our clock; in order. */
  replay(epoch: string, from: { readonly offset: number } | { readonly since: number }, onEntry: OnEntry): Promise<void>;
}

export type OnEntry = (topic: string, entry: HistoryEntry) => void;

/** Those of the position's stream behind it. Another stream, of another `keep`, has no order with it. */
export function entriesAfter(entries: readonly HistoryEntry[], after: string): HistoryEntry[] {
  const position = parsePosition(after);
  return entries.filter(({ epoch, offset }) => epoch === position.epoch && offset > position.offset);
}

/** Entries of several topics, each stream's in its own order: streams have none among them. */
export function asStored(entries: readonly HistoryEntry[]): HistoryEntry[] {
  const streams = [...new Set(entries.map(({ epoch }) => epoch))];
  return streams.flatMap((stream) => entries.filter(({ epoch }) => epoch === stream).sort((a, b) => a.offset - b.offset));
}

/** @returns those of the latest that are still kept, at most `last`. */
export function stillKept(entries: readonly HistoryEntry[], last: number, now: number): HistoryEntry[] {
  const counts = new Map<string, number>();
  const kept: HistoryEntry[] = [];
  for (let index = entries.length - 1; index >= 0 && kept.length < last; index--) {
    const entry = entries[index] as HistoryEntry;
    const { epoch, retention, at } = entry;
    const count = (counts.get(epoch) ?? 0) + 1;
    counts.set(epoch, count);
    if (count <= retention.messages && at + retention.seconds * 1_000 > now) kept.push(entry);
  }
  return kept.reverse();
}
