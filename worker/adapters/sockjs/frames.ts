// SockJS' frames: what its clients get, and what they send. Sections are those of sockjs-protocol 0.3.3. Pure.

import { CodedError, jsonOf, ReceivedMessage } from "../../adapter.ts";
import type { Sendable } from "../../handler.ts";
import { plainJson } from "../plain-json.ts";

/** "Framing accepted by the client": a session is open. */
export const openFrame = "o";
/** … it is still there: proxies between cut what is silent. */
export const heartbeatFrame = "h";

/** … it is closed. */
export function closeFrame(code: number, reason: string): string {
  return `c${quoted([code, reason])}`;
}

/** … a message. @throws {CodedError} "send.invalid" as `conn.send`, and for bytes. */
export function messageFrame(data: Sendable): string {
  return `a[${quoted(textOf(data))}]`;
}

/** The messages of an `a` frame, as far as it is one. */
export function messagesOfFrame(frame: string): string[] {
  return frame.startsWith("a[") ? (parseMessages(frame.slice(1)) ?? []) : [];
}

/**
 * "Framing accepted by the server": JSON, one message or an array of them. A WebSocket's frame without anything is none ("Empty frames must be
 * ignored").
 * @returns undefined for anything else.
 */
export function parseMessages(body: string): string[] | undefined {
  if (body === "") return [];
  let given: unknown;
  try {
    given = JSON.parse(body);
  } catch {
    return undefined;
  }
  const messages = Array.isArray(given) ? given : [given];
  return messages.every((message): message is string => typeof message === "string") ? messages : undefined;
}

function textOf(data: Sendable): string {
  if (typeof data === "string") return data;
  const isMessage = data instanceof ReceivedMessage;
  if (isMessage && !data.isBinary) return data.text();
  if (isMessage || data instanceof ArrayBuffer || ArrayBuffer.isView(data))
    throw new CodedError("send.invalid", "a SockJS message is text, and bytes are none: send their base64, say");
  return jsonOf(data);
}

/** "JSON Unicode Encoding": what browsers and proxies mangle. JSON.stringify escapes halves of surrogate pairs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are among them.
const mangled = /[\x00-\x1f\u200c-\u200f\u2028-\u202f\u2060-\u206f\ufff0-\uffff]/g;

function quoted(value: unknown): string {
  const plain = typeof value === "string" ? plainJson(value) : undefined;
  return plain ?? JSON.stringify(value).replace(mangled, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const nothing = new Uint8Array(0);

/** One message of a client. Text alone: in SockJS there are no bytes. Halves of surrogate pairs stay, unless it is sent as it is. */
export class TextMessage extends ReceivedMessage {
  private readonly own: string;

  constructor(text: string) {
    super(nothing, false);
    this.own = text;
  }

  /** Made where it is asked for: most messages are read and sent as text. */
  override get raw(): Uint8Array {
    return Buffer.from(this.own);
  }

  override text(): string {
    return this.own;
  }
}
