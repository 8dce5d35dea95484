// A connection's heartbeat: what its client is sent again and again, and what is expected of it. Set by a turn (worker/), run by the
// gateway (gateway/heartbeats.ts). Pure.

import * as v from "valibot";
import { checkClose } from "./close-code.ts";
import { CodedError } from "./errors.ts";
import { parser } from "./record-body.ts";

/** Of what is sent, and of what is expected. */
const frameBytes = 64;
/** More often than this, a heartbeat would be a load rather than a sign of life. */
const shortestMs = 100;
/** As of timers. */
const longestMs = 2 ** 31 - 1;

const frame = v.custom<string | Uint8Array>((value) => {
  if (typeof value !== "string" && !(value instanceof Uint8Array)) return false;
  const bytes = Buffer.byteLength(value);
  return bytes >= 1 && bytes <= frameBytes;
}, `1 to ${frameBytes} bytes, as text or a Uint8Array`);

/** Which of them a handler may use: checkClose. */
const closeCode = v.pipe(v.number(), v.integer(), v.minValue(1000), v.maxValue(4999));

function milliseconds(least: number) {
  const text = `a whole number of milliseconds from ${least} to ${longestMs}`;
  return v.pipe(v.number(text), v.integer(text), v.minValue(least, text), v.maxValue(longestMs, text));
}

const every = milliseconds(shortestMs);

const heartbeat = v.pipe(
  v.strictObject({
    every,
    send: frame,
    expect: v.optional(frame),
    within: v.optional(milliseconds(1)),
    close: v.optional(v.strictObject({ code: closeCode, reason: v.pipe(v.string(), v.maxBytes(123)) })),
  }),
  v.check(
    ({ expect, within, close }) => (expect === undefined) === (within === undefined) && (expect === undefined) === (close === undefined),
    "expect, within and close go together: all of them, or none",
  ),
);

/** Without `expect`, `within` and `close`, which go together, it is sent and nothing is expected. */
export type Heartbeat = Readonly<v.InferOutput<typeof heartbeat>>;

/** A `heartbeat` record's body. @throws {CodedError} "envelope.malformed" */
export const parseHeartbeat = parser(heartbeat);

/** @throws {CodedError} "heartbeat.invalid", "close.invalid" */
export function checkHeartbeat(value: unknown): Heartbeat {
  const parsed = v.safeParse(heartbeat, value);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const path = v.getDotPath(issue);
    throw new CodedError("heartbeat.invalid", path === null ? issue.message : `${path}: ${issue.message}`);
  }
  const { close } = parsed.output;
  if (close !== undefined) checkClose(close.code, close.reason);
  return parsed.output;
}

/** Before any connection is there to have it. @param option whose value is to be `every`. @throws {CodedError} "handler.invalid" */
export function checkEvery(option: string, value: unknown): void {
  const { issues } = v.safeParse(every, value);
  if (issues !== undefined) throw new CodedError("handler.invalid", `${option} is ${JSON.stringify(value)}: it is ${issues[0].message}`);
}

/** A frame of a heartbeat, as it is sent and compared. */
export interface BeatFrame {
  readonly bytes: Buffer;
  readonly isBinary: boolean;
}

export function beatFrame(data: string | Uint8Array): BeatFrame {
  return { bytes: Buffer.from(data), isBinary: typeof data !== "string" };
}

/** Whether a client's message answers, and whether it is all that it is: then it is for nobody else. */
export function answers(expected: BeatFrame, message: Uint8Array, isBinary: boolean): "no" | "exactly" | "longer" {
  const { bytes } = expected;
  // Asked of each message: mostly, this is all.
  if (message[0] !== bytes[0] || isBinary !== expected.isBinary || message.length < bytes.length) return "no";
  if (bytes.compare(message, 0, bytes.length) !== 0) return "no";
  return message.length === bytes.length ? "exactly" : "longer";
}
