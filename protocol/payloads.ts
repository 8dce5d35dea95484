// The payloads of records that are not msgpack, since they are frequent, or small: numbers, names and bytes, one behind the other.
// docs/wire.md tells the same in prose.

import { CodedError } from "./errors.ts";
import { checkLast, checkRetention, parsePosition, type Retention } from "./history.ts";

/** A publish record's payload: topic and data. */
export function encodePublish(topic: string, data: Uint8Array): Uint8Array {
  const topicBytes = Buffer.byteLength(topic);
  const bytes = Buffer.allocUnsafe(2 + topicBytes + data.length);
  bytes.writeUInt16LE(topicBytes, 0);
  bytes.write(topic, 2);
  bytes.set(data, 2 + topicBytes);
  return bytes;
}

/** @throws {CodedError} "envelope.malformed" */
export function decodePublish(payload: Buffer): { topic: string; data: Buffer } {
  const topicBytes = payload.length < 2 ? 0 : payload.readUInt16LE(0);
  if (payload.length < 2 + topicBytes) throw new CodedError("envelope.malformed", "a publish is shorter than its topic");
  return { topic: payload.toString("utf8", 2, 2 + topicBytes), data: payload.subarray(2 + topicBytes) };
}

/** Connections that a publish may leave out. */
export const exceptLimit = 100;

/** Of a publish that some connections do not get. @param except Ids of connections, at most `exceptLimit`, of at most 255 bytes each. */
export function encodePublishExcept(topic: string, data: Uint8Array, except: readonly string[]): Uint8Array {
  const ids = except.map((id) => Buffer.from(id));
  const list = Buffer.concat([Buffer.of(ids.length), ...ids.flatMap((id) => [Buffer.of(id.length), id])]);
  return encodePublish(topic, Buffer.concat([list, data]));
}

/** @throws {CodedError} "envelope.malformed" */
export function decodePublishExcept(payload: Buffer): { topic: string; data: Buffer; except: string[] } {
  const { topic, data: rest } = decodePublish(payload);
  const except: string[] = [];
  let at = 1;
  for (let left = rest[0] ?? 0; left > 0; left--) {
    const end = at + 1 + (rest[at] ?? 0);
    except.push(rest.toString("utf8", at + 1, end));
    at = end;
  }
  if (at > rest.length) throw new CodedError("envelope.malformed", "a publish is shorter than the ids of those who do not get it");
  return { topic, data: rest.subarray(at), except };
}

/** Of a publish that its topic keeps. @param except as of encodePublishExcept. */
export function encodePublishKept(
  topic: string,
  data: Uint8Array,
  { messages, seconds }: Retention,
  except: readonly string[],
): Uint8Array {
  const bytes = Buffer.allocUnsafe(6);
  bytes.writeUInt16LE(messages, 0);
  bytes.writeUInt32LE(seconds, 2);
  return Buffer.concat([bytes, encodePublishExcept(topic, data, except)]);
}

/** @throws {CodedError} "envelope.malformed", "history.invalid" */
export function decodePublishKept(payload: Buffer): { topic: string; data: Buffer; except: string[]; retention: Retention } {
  if (payload.length < 6) throw new CodedError("envelope.malformed", "a publish is shorter than what it says of how much is kept");
  const retention = checkRetention({ messages: payload.readUInt16LE(0), seconds: payload.readUInt32LE(2) });
  return { ...decodePublishExcept(payload.subarray(6)), retention };
}

/** Of a subscription that begins with the latest that its topic keeps. @param last From 1 to 1000. */
export function encodeSubscribeLast(topic: string, last: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeUInt16LE(last, 0);
  return Buffer.concat([bytes, Buffer.from(topic)]);
}

/** @throws {CodedError} "envelope.malformed", "history.invalid" */
export function decodeSubscribeLast(payload: Buffer): { topic: string; last: number } {
  if (payload.length < 2) throw new CodedError("envelope.malformed", "a subscription without its topic");
  return { topic: payload.toString("utf8", 2), last: checkLast(payload.readUInt16LE(0)) };
}

/** Of a subscription that begins with what its topic keeps behind a position. @param after See parsePosition. */
export function encodeSubscribeAfter(topic: string, after: string): Uint8Array {
  return Buffer.concat([Buffer.of(after.length), Buffer.from(after), Buffer.from(topic)]);
}

/** @throws {CodedError} "envelope.malformed", "history.invalid" */
export function decodeSubscribeAfter(payload: Buffer): { topic: string; after: string } {
  const end = 1 + (payload[0] ?? 0);
  if (payload.length <= end) throw new CodedError("envelope.malformed", "a subscription without its topic");
  const after = payload.toString("utf8", 1, end);
  parsePosition(after);
  return { topic: payload.toString("utf8", end), after };
}

/** The payload of what was published, for a handler. @param number Of the publish, at its subscriber's gateway: another for each. */
export function encodePublished(number: number, topic: string, data: Uint8Array): Uint8Array {
  const topicBytes = Buffer.byteLength(topic);
  // Not of a pool: it may be kept for long, and the whole pool with it.
  const bytes = Buffer.allocUnsafeSlow(10 + topicBytes + data.length);
  bytes.writeDoubleLE(number, 0);
  bytes.writeUInt16LE(topicBytes, 8);
  bytes.write(topic, 10);
  bytes.set(data, 10 + topicBytes);
  return bytes;
}

/** @throws {CodedError} "envelope.malformed" */
export function decodePublished(payload: Buffer): { number: number; topic: string; data: Buffer } {
  if (payload.length < 10) throw new CodedError("envelope.malformed", "a published message without its topic");
  return { number: payload.readDoubleLE(0), ...decodePublish(payload.subarray(8)) };
}

/** A timer event's payload. @param number From 1 to 2^32 - 1. */
export function encodeTimer(number: number, name: string): Uint8Array {
  const bytes = Buffer.allocUnsafe(4 + Buffer.byteLength(name));
  bytes.writeUInt32LE(number, 0);
  bytes.write(name, 4);
  return bytes;
}

/** @throws {CodedError} "envelope.malformed" */
export function decodeTimer(payload: Uint8Array): { number: number; name: string } {
  if (payload.length < 5) throw new CodedError("envelope.malformed", "a timer without its name");
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  return { number: bytes.readUInt32LE(0), name: bytes.toString("utf8", 4) };
}

/** A timer effect's payload. @param ms From 1 to 2^31 - 1. */
export function encodeSetTimer(ms: number, number: number, name: string): Uint8Array {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(ms, 0);
  return Buffer.concat([bytes, encodeTimer(number, name)]);
}

/** @throws {CodedError} "envelope.malformed" */
export function decodeSetTimer(payload: Buffer): { ms: number; number: number; name: string } {
  if (payload.length < 9) throw new CodedError("envelope.malformed", "a timer without its name");
  return { ms: payload.readUInt32LE(0), ...decodeTimer(payload.subarray(4)) };
}

/** A close event's payload. */
export function encodeClose(code: number, reason: Uint8Array): Uint8Array {
  const payload = Buffer.allocUnsafe(2 + reason.length);
  payload.writeUInt16LE(code, 0);
  payload.set(reason, 2);
  return payload;
}

/** @throws {CodedError} "envelope.malformed" */
export function decodeClose(payload: Buffer): { code: number; reason: string } {
  if (payload.length < 2) throw new CodedError("envelope.malformed", "a close without a code");
  return { code: payload.readUInt16LE(0), reason: payload.toString("utf8", 2) };
}
