// The streams that keep history, one for each kind of retention. Their names are counted, so that a gateway may be allowed these and no
// others; which retention one has is told by its configuration. Who needs another kind takes the next name: NATS gives it to one.

import { CodedError } from "../protocol/errors.ts";
import type { Retention } from "../protocol/history.ts";
import { historyStream, mostHistoryStreams } from "../protocol/subjects.ts";
import { type Asker, JetStreamRefusal, NobodyAnswers } from "./asker.ts";

export interface HistoryStreamsOptions {
  readonly namespace: string;
  /** Read each time. */
  readonly limits: HistoryLimits;
}

export interface HistoryLimits {
  /** So many kinds of retention. */
  readonly streams: number;
  /** Of each stream, on disk: beyond it, the oldest messages of all its topics go. */
  readonly streamBytes: number;
}

export interface KeptStream {
  readonly name: string;
  readonly retention: Retention;
  readonly epoch: string;
}

/** Source: NATS' JetStream wire API; the fields that are looked at. */
export interface StreamInfo {
  readonly config: {
    readonly name: string;
    readonly subjects?: readonly string[];
    readonly max_bytes?: number;
    readonly republish?: { readonly dest: string };
  };
  readonly state: { readonly messages: number; readonly last_seq: number };
}

/** JetStream: "stream not found"; "stream name already in use"; "subjects overlap with an existing stream". */
const noStream = 10_059;
const nameTaken = 10_058;
const subjectsTaken = 10_065;
/** JetStream: not enabled for the account, or at all. */
const notEnabled: readonly number[] = [10_039, 10_076];
/** JetStream: no room for what the stream may have. */
const noRoom: readonly number[] = [10_023, 10_028, 10_047];

/** What was stored twice is noticed for so long. */
const duplicatesMs = 120_000;
/** A message is not gone before it is noticed. */
const leastAgeMs = duplicatesMs;
const nanoseconds = 1_000_000;
const attempts = 2 * mostHistoryStreams;

export class HistoryStreams {
  private readonly asker: Asker;
  private readonly options: HistoryStreamsOptions;
  /** By number. */
  private readonly known = new Map<number, KeptStream>();
  private isListed = false;

  constructor(asker: Asker, options: HistoryStreamsOptions) {
    this.asker = asker;
    this.options = options;
  }

  /** @returns all that there are: the one that may have been made last is looked for, the others are known. */
  async all(): Promise<KeptStream[]> {
    if (!this.isListed) await Promise.all(numbers.map((number) => this.look(number)));
    this.isListed = true;
    for (let next = this.nextNumber; next !== undefined && (await this.look(next)) !== undefined; next = this.nextNumber);
    return [...this.known.values()];
  }

  /** @returns what NATS says of each. */
  async infos(): Promise<StreamInfo[]> {
    this.forget();
    const infos = await Promise.all(numbers.map((number) => this.look(number)));
    this.isListed = true;
    return infos.filter((info) => info !== undefined);
  }

  /** What is known may be wrong. */
  forget(): void {
    this.known.clear();
    this.isListed = false;
  }

  /** Sees to it that there is a stream of this retention. @throws {CodedError} "history.tooMany", "history.unavailable" */
  async prepare(retention: Retention): Promise<void> {
    // Each failure is somebody else's success: after so many, it is none of ours that has the name or the subjects.
    for (let attempt = 0; attempt < attempts; attempt++) {
      const found = (await this.all()).find((stream) => isSame(stream.retention, retention));
      if (found !== undefined && (await this.resized(found.name))) return;
      if (found !== undefined) continue;
      const { streams } = this.options.limits;
      const free = numbers.find((number) => number <= streams && !this.known.has(number));
      if (free === undefined) await this.makeRoom();
      else await this.create(free, retention);
    }
    const text = `a stream that is not ours has the name or the subjects of ${historyStream(this.options.namespace, 1)}, or of another like it`;
    throw new CodedError("history.unavailable", text);
  }

  private get nextNumber(): number | undefined {
    return numbers.find((number) => !this.known.has(number));
  }

  private async look(number: number): Promise<StreamInfo | undefined> {
    try {
      const info = await this.asker.api<StreamInfo>(`STREAM.INFO.${historyStream(this.options.namespace, number)}`, undefined);
      const stream = streamOf(info);
      if (stream !== undefined) this.known.set(number, stream);
      return stream === undefined ? undefined : info;
    } catch (error) {
      if (error instanceof JetStreamRefusal && error.code === noStream) return undefined;
      throw unavailable(error);
    }
  }

  private async create(number: number, { messages, seconds }: Retention): Promise<void> {
    const { namespace, limits } = this.options;
    const subjects = `${namespace}.history.${messages}.${seconds}.*`;
    // Another each time: what was said of a stream that is no more holds for no other.
    const epoch = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;
    const ageMs = Math.max(seconds * 1_000, leastAgeMs);
    const config = {
      name: historyStream(namespace, number),
      subjects: [subjects],
      storage: "file",
      retention: "limits",
      discard: "old",
      num_replicas: 1,
      max_msgs_per_subject: messages,
      max_age: ageMs * nanoseconds,
      max_bytes: limits.streamBytes,
      duplicate_window: duplicatesMs * nanoseconds,
      republish: { src: subjects, dest: `${namespace}.topic.{{wildcard(1)}}.kept-${epoch}` },
    };
    try {
      await this.asker.api(`STREAM.CREATE.${config.name}`, config);
      await this.look(number);
    } catch (error) {
      // Another gateway was faster.
      if (!(error instanceof JetStreamRefusal) || ![nameTaken, subjectsTaken].includes(error.code)) throw unavailable(error);
      this.forget();
    }
  }

  /** A stream of a kind that nobody uses any more has nothing left in it. */
  private async makeRoom(): Promise<void> {
    const infos = await this.infos();
    const { streams } = this.options.limits;
    const empty = infos.find(({ state, config }) => state.messages === 0 && this.numberOf(config.name) <= streams);
    if (empty === undefined) {
      const kinds = [...this.known.values()].map(({ retention }) => JSON.stringify(retention)).join(", ");
      throw new CodedError("history.tooMany", `there are ${streams} kinds of keep already (HISTORY_STREAMS): ${kinds}`);
    }
    await this.asker.api(`STREAM.DELETE.${empty.config.name}`, undefined);
    this.forget();
  }

  /** @returns false where it is no more. */
  private async resized(name: string): Promise<boolean> {
    try {
      const { config } = await this.asker.api<StreamInfo>(`STREAM.INFO.${name}`, undefined);
      const { streamBytes } = this.options.limits;
      if (config.max_bytes !== streamBytes) await this.asker.api(`STREAM.UPDATE.${name}`, { ...config, max_bytes: streamBytes });
      return true;
    } catch (error) {
      if (!(error instanceof JetStreamRefusal) || error.code !== noStream) throw unavailable(error);
      this.forget();
      return false;
    }
  }

  private numberOf(name: string): number {
    return Number(name.slice(name.lastIndexOf("-") + 1));
  }
}

const numbers: readonly number[] = Array.from({ length: mostHistoryStreams }, (_, index) => index + 1);

/** undefined: it is none of ours. */
export function streamOf({ config: { name, subjects = [], republish } }: StreamInfo): KeptStream | undefined {
  const [, messages, seconds] = /\.history\.(\d+)\.(\d+)\.\*$/.exec(subjects[0] ?? "") ?? [];
  const [, epoch] = /\.kept-([a-z0-9]+)$/.exec(republish?.dest ?? "") ?? [];
  if (messages === undefined || epoch === undefined) return undefined;
  return { name, epoch, retention: { messages: Number(messages), seconds: Number(seconds) } };
}

function isSame(a: Retention, b: Retention): boolean {
  return a.messages === b.messages && a.seconds === b.seconds;
}

/** What will not pass by itself becomes a CodedError. */
function unavailable(error: unknown): unknown {
  const isLasting = error instanceof JetStreamRefusal && [...notEnabled, ...noRoom].includes(error.code);
  if (!isLasting && !(error instanceof NobodyAnswers)) return error;
  return new CodedError("history.unavailable", (error as Error).message, { cause: error });
}
