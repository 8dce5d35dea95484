// What a turn has asked for so far: collected here, sent in one piece with the turn's commit, dropped when it throws.

import { thrownMessage } from "../process/thrown.ts";
import { gatewayOf } from "../protocol/connection-id.ts";
import { CodedError } from "../protocol/errors.ts";
import type { Retention } from "../protocol/history.ts";
import type { Link } from "../protocol/link.ts";
import { encodePublish, encodePublishExcept, encodePublishKept, exceptLimit } from "../protocol/payloads.ts";
import { flag, toGateway } from "../protocol/records.ts";
import { decodeTogether, encodeTogether, type OneFrame } from "../protocol/together.ts";
import type { Sendable } from "./handler.ts";
import { ReceivedMessage } from "./message.ts";
import { invalid, isTogether, partsOf } from "./together.ts";

export interface Effect {
  /** One of toGateway. */
  readonly type: number;
  /** Without commit and flush: those belong to the group. */
  readonly flags: number;
  readonly extra: number;
  /** Text is encoded in place, when it is sent. */
  readonly payload: Uint8Array | string;
  /** What the payload will have, encoded. */
  readonly bytes: number;
}

/** A record's own bytes in a batch. */
const recordBytes = 16;

const nothing = new Uint8Array(0);

const none: Effect[] = [];

export class Effects {
  private readonly limitBytes: number;
  private list: Effect[] = none;
  private sum = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get all(): readonly Effect[] {
    return this.list;
  }

  get bytes(): number {
    return this.sum;
  }

  /** @throws {CodedError} "effects.tooLarge"; the effect is then not among them. */
  add(type: number, payload: Uint8Array | string, flags = 0, extra = 0): void {
    const bytes = typeof payload === "string" ? Buffer.byteLength(payload) : payload.length;
    const sum = this.sum + bytes + recordBytes;
    if (sum > this.limitBytes) {
      // One alone that is too large is not helped by a flush.
      const [what, help] =
        bytes + recordBytes > this.limitBytes
          ? [`one effect has ${bytes + recordBytes} bytes`, "send it in parts, or raise EFFECTS_BYTES"]
          : [`this turn would ask for ${sum} bytes`, "flush() commits early"];
      throw new CodedError("effects.tooLarge", `${what}, at most ${this.limitBytes} are allowed (EFFECTS_BYTES): ${help}`);
    }
    const effect = { type, flags, extra, payload, bytes };
    // Most turns have one: V8 makes room for 17 where something is pushed to an empty array.
    if (this.list.length === 0) this.list = [effect];
    else this.list.push(effect);
    this.sum = sum;
  }

  /** Takes back what was asked for in these very words. */
  remove(type: number, payload: string): void {
    this.list = this.list.filter((effect) => effect.type !== type || effect.payload !== payload);
    this.sum = this.list.reduce((sum, { bytes }) => sum + bytes + recordBytes, 0);
  }

  clear(): void {
    this.list = none;
    this.sum = 0;
  }
}

/** Sends a group of effects that belong together, with the flag that ends it. */
export function sendGroup(link: Link, pin: { slot: number; epoch: number }, effects: Effects, end: number): void {
  link.reserve(effects.bytes + recordBytes);
  const { slot, epoch } = pin;
  const { batch } = link;
  const list = effects.all;
  for (let index = 0; index < list.length; index++) {
    const { type, flags, extra, payload, bytes } = list[index] as Effect;
    const head = { type, flags: index === list.length - 1 ? flags | end : flags, extra, slot, epoch };
    if (typeof payload === "string") batch.appendText(head, payload, bytes);
    else batch.append(head, payload);
  }
  if (list.length === 0) batch.append({ type: toGateway.nothing, flags: end, extra: 0, slot, epoch }, nothing);
}

/** What a frame carries, and whether it is a binary one. */
export interface Frame {
  readonly payload: Uint8Array | string;
  /** `flag.binary` or 0. */
  readonly flags: number;
  /** The payload is several frames that belong together, as encodeTogether has them. */
  readonly isTogether?: true;
}

/** @throws {CodedError} "send.invalid" where there is no JSON for it: undefined, functions, promises, cycles, bigint. */
export function frameOf(data: Sendable): Frame {
  if (typeof data === "string") return { payload: data, flags: 0 };
  if (data instanceof ReceivedMessage) return { payload: data.raw, flags: data.isBinary ? flag.binary : 0 };
  // Copied: the handler may go on writing to its own bytes before the turn ends.
  if (data instanceof ArrayBuffer) return { payload: new Uint8Array(data.slice(0)), flags: flag.binary };
  if (ArrayBuffer.isView(data)) {
    return { payload: new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice(), flags: flag.binary };
  }
  if (isTogether(data)) return { payload: encodeTogether(partsOf(data).map(oneFrame)), flags: 0, isTogether: true };
  return { payload: jsonOf(data), flags: 0 };
}

function oneFrame(data: Sendable): OneFrame {
  const frame = frameOf(data);
  return { data: bytesOf(frame), isBinary: frame.flags !== 0 };
}

/** One by one. */
export function framesOf(frame: Frame): readonly Frame[] {
  if (frame.isTogether === undefined) return [frame];
  return decodeTogether(bytesOf(frame)).map(({ data, isBinary }) => ({ payload: data, flags: isBinary ? flag.binary : 0 }));
}

/** Of what is published with `keep`. @throws {CodedError} "together.invalid" */
export function checkSingle(frame: Frame): void {
  if (frame.isTogether) throw invalid("cannot be kept: keep needs a single one");
}

/** @throws {CodedError} "send.invalid" */
export function jsonOf(data: unknown): string {
  // JSON has `{}` for it: a client would get that.
  if (data instanceof Promise) throw new CodedError("send.invalid", "a promise cannot be sent: await it first");
  let json: string | undefined;
  try {
    json = JSON.stringify(data);
  } catch (error) {
    throw new CodedError("send.invalid", `there is no JSON for it: ${thrownMessage(error)}`, { cause: error });
  }
  if (json === undefined) throw new CodedError("send.invalid", `there is no JSON for ${typeof data}`);
  return json;
}

/** A publish effect's payload. */
export function publishPayload(topic: string, frame: Frame): Uint8Array {
  return encodePublish(topic, bytesOf(frame));
}

/** The same of one that some do not get, or of frames together. @param except as `checkExcept` returns it. */
export function publishExceptPayload(topic: string, frame: Frame, except: readonly string[]): Uint8Array {
  return encodePublishExcept(topic, bytesOf(frame), except);
}

/** The same of one that its topic keeps. @param keep as `checkRetention` returns it. */
export function publishKeptPayload(topic: string, frame: Frame, keep: Retention, except: readonly string[]): Uint8Array {
  return encodePublishKept(topic, bytesOf(frame), keep, except);
}

/** @throws {CodedError} "except.invalid" */
export function checkExcept(except: unknown): readonly string[] {
  const isList = Array.isArray(except) && except.length <= exceptLimit;
  // Bytes: what is longer would be taken for a part of the message.
  if (isList && except.every((id) => typeof id === "string" && gatewayOf(id) !== "" && Buffer.byteLength(id) <= 255)) return except;
  throw new CodedError("except.invalid", `except is a list of at most ${exceptLimit} ids of connections: conn.id`);
}

export function bytesOf({ payload }: Pick<Frame, "payload">): Uint8Array {
  return typeof payload === "string" ? Buffer.from(payload) : payload;
}
