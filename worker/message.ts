// A client's message, decoded only as far as the handler asks.

import { CodedError } from "../protocol/errors.ts";
import type { Message } from "./handler.ts";

/** Half the time of a Buffer's for a short text, and the same text: a byte order mark stays, too. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

export class ReceivedMessage implements Message {
  readonly isBinary: boolean;
  /** What travels on when the message itself is sent. A view of its batch until `own`. */
  raw: Uint8Array;

  constructor(raw: Uint8Array, isBinary: boolean) {
    this.raw = raw;
    this.isBinary = isBinary;
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
    try {
      return JSON.parse(this.text());
    } catch (cause) {
      throw new CodedError("message.notJson", `the message is not JSON: ${(cause as Error).message}`, { cause });
    }
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.raw);
  }

  /** A view keeps a whole batch in memory: a message that has to wait gets bytes of its own. */
  detach(): void {
    this.raw = new Uint8Array(this.raw);
  }
}
