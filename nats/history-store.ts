// What topics keep, in streams of JetStream: history-streams.ts. What is stored is published by NATS itself to the topic's live subject,
// with its number and that of the one before, so that live order is the stream's, and whoever misses one notices.

import { headers, type NatsConnection } from "nats";
import type {
  HistoryEntry,
  HistoryRange,
  HistoryRead,
  HistoryStore,
  NewEntry,
  OnEntry,
  Retention,
  StreamEnd,
} from "../protocol/history.ts";
import { decodeTopic, exceptHeader, frameHeader, type Subjects, subjectsOf } from "../protocol/subjects.ts";
import { Asker, answerOf, JetStreamRefusal, NobodyAnswers } from "./asker.ts";
import { HistoryStreams, type HistoryStreamsOptions, type KeptStream } from "./history-streams.ts";
import { readStream, type StoredMessage } from "./stream-reader.ts";

export interface HistoryStoreOptions extends HistoryStreamsOptions {
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
}

/** Later than this, NATS may not know any more that it has stored it: it is looked for. */
const surelyNoticedMs = 60_000;

/** What a consumer of JetStream begins with. */
interface Begin {
  readonly filter_subject?: string;
  readonly opt_start_seq?: number;
  readonly opt_start_time?: string;
}

export class NatsHistoryStore implements HistoryStore {
  private readonly asker: Asker;
  private readonly options: HistoryStoreOptions;
  private readonly subjects: Subjects;
  private readonly streams: HistoryStreams;
  /** Kinds of retention that have a stream, or are about to. */
  private readonly prepared = new Map<string, Promise<void>>();

  constructor(connection: NatsConnection, options: HistoryStoreOptions) {
    this.options = options;
    this.subjects = subjectsOf(options.namespace);
    this.asker = new Asker(connection, this.subjects.replies);
    this.streams = new HistoryStreams(this.asker, options);
  }

  /** The connection has broken: what was asked is to be asked again. */
  broken(): void {
    this.asker.broken();
  }

  async append(entry: NewEntry): Promise<void> {
    const { topic, retention, data, id, triedMs } = entry;
    await this.prepare(retention);
    if (triedMs > surelyNoticedMs && (await this.has(entry))) return;
    const told = headers();
    told.set("Nats-Msg-Id", id);
    if (!entry.isBinary) told.set(frameHeader, "text");
    if (entry.except.length > 0) told.set(exceptHeader, entry.except.join(","));
    try {
      answerOf(await this.asker.ask(this.subjects.kept(retention, topic), data, told));
    } catch (error) {
      // Its stream may be no more.
      if (error instanceof NobodyAnswers) this.prepared.delete(keyOf(retention));
      throw error instanceof NobodyAnswers ? new Error("the stream of this kind of keep does not answer", { cause: error }) : error;
    }
  }

  async read(topic: string, range: HistoryRange): Promise<HistoryRead> {
    const parts = await this.ofAll((stream) => this.readPart(stream, topic, range));
    const ends = new Map(parts.flatMap(({ epoch, end }) => (end === 0 ? [] : [[epoch, end] as const])));
    return { latest: latestOf(parts, range), further: parts.flatMap(({ further }) => further), ends };
  }

  async ends(): Promise<StreamEnd[]> {
    const infos = await this.streams.infos();
    const streams = await this.streams.all();
    return infos.flatMap(({ config, state }) => {
      const stream = streams.find(({ name }) => name === config.name);
      return stream === undefined ? [] : [{ epoch: stream.epoch, lastOffset: state.last_seq }];
    });
  }

  async replay(epoch: string, from: { readonly offset: number } | { readonly since: number }, onEntry: OnEntry): Promise<void> {
    const stream = (await this.streams.all()).find((found) => found.epoch === epoch);
    if (stream === undefined) return;
    const begin = "offset" in from ? { opt_start_seq: from.offset } : { opt_start_time: new Date(from.since).toISOString() };
    await this.consume(stream, begin, (message) => {
      onEntry(decodeTopic(message.subject.slice(message.subject.lastIndexOf(".") + 1)), entryOf(stream, message));
    });
  }

  private async readPart(stream: KeptStream, topic: string, { last, bytes, after, since }: HistoryRange): Promise<Part> {
    const part: Part = { epoch: stream.epoch, latest: [], further: [], end: 0 };
    const from = after?.get(stream.epoch);
    let sum = 0;
    let skewMs = 0;
    const onBegun = (clock: number) => {
      skewMs = clock - this.options.wallClock();
    };
    const filter_subject = this.subjects.kept(stream.retention, topic);
    await this.consume(
      stream,
      { filter_subject },
      (message) => {
        const entry = entryOf(stream, message);
        part.end = entry.offset;
        part.latest.push(entry);
        sum += entry.data.length;
        while (part.latest.length > last || (sum > bytes && part.latest.length > 1)) sum -= part.latest.shift()?.data.length ?? 0;
        const isFurther = from === undefined ? since !== undefined && entry.at >= since + skewMs : entry.offset > from;
        if (isFurther) part.further.push(entry);
      },
      onBegun,
    );
    return part;
  }

  /** @returns whether it was stored by an attempt before. */
  private async has({ id, topic, retention }: NewEntry): Promise<boolean> {
    const filter_subject = this.subjects.kept(retention, topic);
    let isThere = false;
    await this.ofAll(async (stream) => {
      if (keyOf(stream.retention) !== keyOf(retention)) return;
      await this.consume(stream, { filter_subject }, ({ headers: told }) => {
        isThere ||= told?.get("Nats-Msg-Id") === id;
      });
    });
    return isThere;
  }

  private async ofAll<Result>(ask: (stream: KeptStream) => Promise<Result>): Promise<Result[]> {
    try {
      return await Promise.all((await this.streams.all()).map(ask));
    } catch (error) {
      // One that is known may have been removed, or be of another kind now.
      if (!(error instanceof JetStreamRefusal)) throw error;
      this.streams.forget();
      return Promise.all((await this.streams.all()).map(ask));
    }
  }

  private consume(stream: KeptStream, begin: Begin, onMessage: (message: StoredMessage) => void, onBegun?: (clock: number) => void) {
    const policy = begin.opt_start_seq ? "by_start_sequence" : begin.opt_start_time ? "by_start_time" : "all";
    return readStream(this.asker, { stream: stream.name, begin: { ...begin, deliver_policy: policy }, onMessage, onBegun });
  }

  private prepare(retention: Retention): Promise<void> {
    const key = keyOf(retention);
    const known = this.prepared.get(key);
    if (known !== undefined) return known;
    const preparing = this.streams.prepare(retention);
    this.prepared.set(key, preparing);
    preparing.catch(() => this.prepared.delete(key));
    return preparing;
  }
}

interface Part {
  readonly epoch: string;
  readonly latest: HistoryEntry[];
  readonly further: HistoryEntry[];
  end: number;
}

function keyOf({ messages, seconds }: Retention): string {
  return `${messages} ${seconds}`;
}

/** By time, each stream's in its own order. */
function latestOf(parts: readonly Part[], { last, bytes }: HistoryRange): HistoryEntry[] {
  const lists = parts.map(({ latest }) => [...latest]).filter(({ length }) => length > 0);
  const all: HistoryEntry[] = [];
  let sum = 0;
  while (lists.length > 0 && all.length < last) {
    const newest = lists.reduce((best, list) => (at(list) > at(best) ? list : best));
    const entry = newest.pop() as HistoryEntry;
    sum += entry.data.length;
    if (sum > bytes && all.length > 0) break;
    all.push(entry);
    if (newest.length === 0) lists.splice(lists.indexOf(newest), 1);
  }
  return all.reverse();
}

function at(list: readonly HistoryEntry[]): number {
  return list.at(-1)?.at ?? 0;
}

function entryOf({ epoch, retention }: KeptStream, { offset, at: storedAt, data, headers: told }: StoredMessage): HistoryEntry {
  const except = told?.get(exceptHeader) ?? "";
  return {
    epoch,
    offset,
    at: storedAt,
    retention,
    // It may be kept for long, and would keep what came with it.
    data: new Uint8Array(data),
    isBinary: told?.get(frameHeader) !== "text",
    except: except === "" ? [] : except.split(","),
  };
}
