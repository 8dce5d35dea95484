// Reads a stream of JetStream from some place to its end, by a consumer that is made for that and removed again. nats-server 2.9 has no
// other way to read more than one message at a time.

import type { Msg, MsgHdrs } from "nats";
import { type Asker, JetStreamRefusal } from "./asker.ts";

export interface ReadOptions {
  /** Its name. */
  readonly stream: string;
  /** Of the consumer's configuration. */
  readonly begin: object;
  readonly onMessage: (message: StoredMessage) => void;
  /** @param clock NATS', in milliseconds since 1970: what was stored before is read. */
  readonly onBegun?: ((clock: number) => void) | undefined;
}

export interface StoredMessage {
  readonly subject: string;
  readonly offset: number;
  /** When it was stored: milliseconds since 1970. */
  readonly at: number;
  /** A view: copy it to keep it. */
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
}

/** That NATS sends before it is asked for more. */
const batch = 64;
/** Where it is not removed by us. */
const forgottenAfterNs = 10_000_000_000;

/** @throws as Asker.ask */
export async function readStream(asker: Asker, { stream, begin, onMessage, onBegun }: ReadOptions): Promise<void> {
  const config = { ...begin, ack_policy: "none", mem_storage: true, num_replicas: 1, inactive_threshold: forgottenAfterNs };
  const made = await asker.api<{ name: string; num_pending: number; created: string }>(`CONSUMER.CREATE.${stream}`, {
    stream_name: stream,
    config,
  });
  onBegun?.(Date.parse(made.created));
  try {
    for (let pending = made.num_pending; pending > 0; ) pending = await readSome(asker, `${stream}.${made.name}`, onMessage);
  } finally {
    // Nobody waits for that: else it is forgotten later.
    asker.api(`CONSUMER.DELETE.${stream}.${made.name}`, undefined).catch(() => undefined);
  }
}

/** @returns how many there are behind these. */
async function readSome(asker: Asker, consumer: string, onMessage: (message: StoredMessage) => void): Promise<number> {
  let [pending, got] = [0, 0];
  let fault: unknown;
  const request = JSON.stringify({ batch, no_wait: true });
  await asker.listen(`$JS.API.CONSUMER.MSG.NEXT.${consumer}`, request, (message, end) => {
    const code = message.headers?.code ?? 0;
    // That was all, or all for now. Source: NATS' ADR-37.
    if (code === 404 || code === 408) {
      pending = got === 0 ? 0 : pending;
      return end();
    }
    if (code !== 0) {
      fault = new JetStreamRefusal(code, message.headers?.description ?? "");
      return end();
    }
    const stored = storedMessage(message);
    pending = stored.pending;
    got++;
    onMessage(stored);
    if (pending === 0 || got === batch) end();
  });
  if (fault !== undefined) throw fault;
  return pending;
}

/**
 * Source: NATS' ADR-15, "JetStream acknowledgement subject":
 * `$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<nanoseconds>.<pending>`, of newer servers with domain and
 * account behind `$JS.ACK`.
 */
function storedMessage(message: Msg): StoredMessage & { pending: number } {
  const tokens = (message.reply ?? "").split(".");
  const first = tokens.length > 9 ? 7 : 5;
  const [offset = 0, , nanoseconds = 0, pending = 0] = tokens.slice(first, first + 4).map(Number);
  const { subject, data, headers } = message;
  return { subject, data, headers, offset, at: nanoseconds / 1_000_000, pending };
}
