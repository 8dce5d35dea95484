// A client's message, decoded only as far as the handler asks.

import { CodedError } from "../protocol/errors.ts";
import type { Message } from "./handler.ts";

export class ReceivedMessage implements Message {
  readonly isBinary: boolean;
  /** What travels on when the message itself is sent. A view of its batch until `own`. */
  raw: Buffer;

  constructor(raw: Buffer, isBinary: boolean) {
    this.raw = raw;
    this.isBinary = isBinary;
  }

  text(): string {
    return this.raw.toString("utf8");
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
  own(): void {
    this.raw = Buffer.from(this.raw);
  }
}
