// A client's message, decoded only as far as the handler asks.

import { CodedError } from "../protocol/errors.ts";
import type { Message } from "./handler.ts";

/** Half the time of a Buffer's for a short text, and the same text: a byte order mark stays, too. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** What `__proto__` may be spelt as, for one look at the text: its letters may be escaped. Source: RFC 8259, section 7. */
const proto = "__proto__";
const escapedLetter = "\\u00";

export class ReceivedMessage implements Message {
  readonly isBinary: boolean;
  private held: Uint8Array;

  constructor(raw: Uint8Array, isBinary: boolean) {
    this.held = raw;
    this.isBinary = isBinary;
  }

  /** What travels on when the message itself is sent. A view of its batch until `detach`. */
  get raw(): Uint8Array {
    return this.held;
  }

  text(): string {
    return utf8.decode(this.raw);
  }

  /** So that `"you said " + message`, and a message within a value, are its text. */
  toString(): string {
    return this.text();
  }

  toJSON(): string {
    return this.text();
  }

  json(): unknown {
    return parseJson(this.text());
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.raw);
  }

  /** A view keeps a whole batch in memory: a message that has to wait gets bytes of its own. */
  detach(): void {
    this.held = new Uint8Array(this.held);
  }
}

/** @throws {CodedError} "message.notJson" */
export function parseJson(text: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    throw new CodedError("message.notJson", `the message is not JSON: ${(cause as Error).message}`, { cause });
  }
}

/**
 * JSON.parse makes `__proto__` a key like any other, and copying the value then sets a prototype that a client has chosen: no handler
 * sees that key, at any depth.
 */
function parse(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return text.includes(proto) || text.includes(escapedLetter) ? withoutProto(value) : value;
}

/** In place. JSON.parse could leave it out itself, and would take twenty times as long for a long list. */
function withoutProto(value: unknown): unknown {
  const parts = [value];
  for (const part of parts) {
    if (typeof part !== "object" || part === null) continue;
    if (Object.hasOwn(part, proto)) delete (part as Record<string, unknown>)[proto];
    for (const each of Array.isArray(part) ? part : Object.values(part)) if (typeof each === "object") parts.push(each);
  }
  return value;
}
