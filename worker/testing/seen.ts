// What a test sees: effects and frames as the values that a handler or a client would name them by.

import { type Heartbeat, parseHeartbeat } from "../../protocol/heartbeat.ts";
import type { Retention } from "../../protocol/history.ts";
import {
  decodePublish,
  decodePublishExcept,
  decodePublishKept,
  decodeSetTimer,
  decodeSubscribeAfter,
  decodeSubscribeLast,
} from "../../protocol/payloads.ts";
import { flag, parseIdentity, toGateway } from "../../protocol/records.ts";
import { type Effect, bytesOf as encodedBytes, type Frame, framesOf } from "../effects.ts";
import { decodeState } from "../state-codec.ts";

/** One thing that a turn asked for, and that happened. `data` is parsed where it was JSON. */
export type TestEffect =
  | {
      readonly type: "send";
      /** Of frames together: a list. */
      readonly data: unknown;
      readonly together?: true;
    }
  | {
      readonly type: "publish";
      readonly topic: string;
      /** Of frames together: a list. */
      readonly data: unknown;
      readonly together?: true;
      readonly self: boolean;
      /** Where they were given. */
      readonly except?: readonly string[];
      readonly keep?: Retention;
    }
  | { readonly type: "subscribe"; readonly topic: string; readonly last?: number; readonly after?: string; readonly hook?: true }
  | { readonly type: "unsubscribe"; readonly topic: string }
  | { readonly type: "setTimer"; readonly name: string; readonly ms: number }
  | { readonly type: "clearTimer"; readonly name: string }
  | { readonly type: "setHeartbeat"; readonly heartbeat: Heartbeat | undefined }
  /** A lock that was taken. */
  | { readonly type: "lock"; readonly name: string }
  | { readonly type: "unlock"; readonly name: string }
  /** What subscribe's `as` tells. */
  | { readonly type: "member"; readonly topic: string; readonly as: unknown }
  | { readonly type: "setState"; readonly state: unknown }
  /** setUser and setExpiresAt: what of it was called. */
  | { readonly type: "identify"; readonly user?: string; readonly expiresAt?: Date | undefined }
  | { readonly type: "stay"; readonly ms: number }
  | { readonly type: "countMessages"; readonly more: number }
  | { readonly type: "pauseSession"; readonly frame: string }
  | { readonly type: "moveToSession" }
  | { readonly type: "close"; readonly code: number; readonly reason: string };

/** A frame as it went over the wire: text, or bytes of the receiver's own. */
export type TestFrame = string | Uint8Array;

export function seenEffect(effect: Effect): TestEffect {
  const { type, extra, flags } = effect;
  switch (type) {
    case toGateway.send:
      return { type: "send", ...seenFrame(effect) };
    case toGateway.sendTogether:
      return { type: "send", ...seenFrame({ ...effect, isTogether: true }) };
    case toGateway.publish:
    case toGateway.publishTogether:
    case toGateway.publishExcept:
    case toGateway.publishKept: {
      const { topic, frame, except, retention: keep } = publishedFrame(effect);
      const self = (flags & flag.self) !== 0;
      return { type: "publish", topic, ...seenFrame(frame), self, ...(except.length > 0 && { except }), ...(keep && { keep }) };
    }
    case toGateway.subscribeLast:
      return { type: "subscribe", ...decodeSubscribeLast(bytesOf(effect)) };
    case toGateway.subscribeAfter:
      return { type: "subscribe", ...decodeSubscribeAfter(bytesOf(effect)) };
    case toGateway.subscribe:
      return { type: "subscribe", topic: textOf(effect) };
    case toGateway.subscribeHook:
      return { type: "subscribe", topic: textOf(effect), hook: true };
    case toGateway.member: {
      const { topic, frame } = publishedFrame(effect);
      return { type: "member", topic, as: parsedFrame(textOf(frame)) };
    }
    case toGateway.unsubscribe:
      return { type: "unsubscribe", topic: textOf(effect) };
    case toGateway.state:
      return { type: "setState", state: decodeState(bytesOf(effect)) };
    case toGateway.identity: {
      const { user, expiresAt } = parseIdentity(bytesOf(effect));
      return {
        type: "identify",
        ...(user !== undefined && { user }),
        ...(expiresAt !== undefined && { expiresAt: expiresAt === 0 ? undefined : new Date(expiresAt) }),
      };
    }
    case toGateway.timer: {
      const { name, ms } = decodeSetTimer(bytesOf(effect));
      return { type: "setTimer", name, ms };
    }
    case toGateway.noTimer:
      return { type: "clearTimer", name: textOf(effect) };
    case toGateway.heartbeat:
      return { type: "setHeartbeat", heartbeat: effect.bytes === 0 ? undefined : parseHeartbeat(bytesOf(effect)) };
    case toGateway.keepLock:
      return { type: "lock", name: textOf(effect) };
    case toGateway.unlock:
      return { type: "unlock", name: textOf(effect) };
    case toGateway.stay:
      return { type: "stay", ms: extra };
    case toGateway.countMessages:
      return { type: "countMessages", more: extra };
    case toGateway.pauseSession:
      return { type: "pauseSession", frame: textOf(effect) };
    case toGateway.moveToSession:
      return { type: "moveToSession" };
    case toGateway.close:
      return { type: "close", code: extra, reason: textOf(effect) };
    default:
      throw new Error(`the test gateway does not know effects of type ${type}`);
  }
}

/** What a publish effect publishes; of a member effect, what it tells. */
export function publishedFrame(effect: Effect): { topic: string; frame: Frame; except: readonly string[]; retention?: Retention } {
  const { data, ...rest } = published(effect.type, bytesOf(effect));
  const frame = { payload: data, flags: effect.flags };
  return { ...rest, frame: effect.type === toGateway.publishTogether ? { ...frame, isTogether: true } : frame };
}

function published(type: number, payload: Buffer): { topic: string; data: Buffer; except: readonly string[]; retention?: Retention } {
  if (type === toGateway.publishKept) return decodePublishKept(payload);
  return type === toGateway.publishExcept || type === toGateway.publishTogether
    ? decodePublishExcept(payload)
    : { ...decodePublish(payload), except: [] };
}

function seenFrame(frame: Frame): { readonly data: unknown; readonly together?: true } {
  const all = wireFrames(frame).map(parsedFrame);
  return frame.isTogether ? { data: all, together: true } : { data: all[0] };
}

/** As a client gets it. */
export function wireFrames(frame: Frame): TestFrame[] {
  return framesOf(frame).map(wireFrame);
}

function wireFrame(frame: Frame): TestFrame {
  return (frame.flags & flag.binary) === 0 ? textOf(frame) : new Uint8Array(bytesOf(frame));
}

/** JSON text becomes its value; any other frame stays what it is. */
export function parsedFrame(frame: TestFrame): unknown {
  if (typeof frame !== "string") return frame;
  try {
    return JSON.parse(frame);
  } catch {
    return frame;
  }
}

export function bytesOf(frame: Pick<Frame, "payload">): Buffer {
  const { buffer, byteOffset, byteLength } = encodedBytes(frame);
  return Buffer.from(buffer, byteOffset, byteLength);
}

function textOf({ payload }: Pick<Frame, "payload">): string {
  return typeof payload === "string" ? payload : bytesOf({ payload }).toString("utf8");
}
