// A client that waits for an answer to its request, upgrade or not.

import { STATUS_CODES } from "node:http";
import type * as uWS from "./library.ts";
import { type BodyReader, readBody } from "./request.ts";

export interface Answer {
  readonly status: number;
  readonly headers: ReadonlyArray<readonly [string, string]>;
  readonly body: Uint8Array | string;
  /**
   * The connection ends behind it: nobody can tell where the next request begins, or nobody reads this one's body. `linger`: once the
   * client has had a second to read the answer, while nothing is read of it. A connection that is closed with something unread is
   * reset, and then the client may never see what it was answered: RFC 9112, 9.6.
   */
  readonly close?: "now" | "linger" | undefined;
}

/** A client that waits for an answer. After it has gone, both calls do nothing. */
export interface WaitingClient {
  readonly isGone: boolean;
  answer(answer: Answer): void;
}

/** A client whose request may have a body. */
export interface WaitingRequest extends WaitingClient {
  /** Only at once, while it is told of. The body of a request that is answered is not read. */
  readBody(reader: BodyReader): void;
}

export interface WaitingUpgrade<Data extends object> extends WaitingClient {
  /**
   * Lets it in; `onOpen` follows at once.
   * @param admit called once it is in, if it did not go meanwhile. What it returns comes with all that its socket says.
   */
  accept(admit: () => Data, subprotocol: string, headers: ReadonlyArray<readonly [string, string]>): void;
}

const lingerMs = 1_000;

// uWebSockets.js frames the body itself.
const ownHeaders = new Set(["content-length", "transfer-encoding", "connection", "date"]);

export class Client implements WaitingRequest {
  isGone = false;
  private isClosed = false;
  private readonly response: uWS.HttpResponse;
  /** Of an answer to HEAD only the length of its body is sent. */
  private readonly isHead: boolean;

  constructor(response: uWS.HttpResponse, isHead: boolean) {
    this.response = response;
    this.isHead = isHead;
    response.onAborted(() => {
      this.isGone = true;
      this.isClosed = true;
    });
  }

  readBody(reader: BodyReader): void {
    if (!this.isGone) readBody(this.response, reader);
  }

  finish(write: () => void): void {
    if (this.isGone) return;
    this.isGone = true;
    this.response.cork(write);
  }

  answer({ status, headers, body, close }: Answer): void {
    this.finish(() => {
      this.response.writeStatus(`${status} ${STATUS_CODES[status] ?? ""}`);
      for (const [name, value] of headers) if (!ownHeaders.has(name.toLowerCase())) this.response.writeHeader(name, value);
      if (close === "linger") this.linger(body);
      else if (this.isHead) this.response.endWithoutBody(Buffer.byteLength(body), close === "now");
      else this.response.end(body, close === "now");
    });
  }

  // What `end` has ended cannot be closed later. So this answer is written without it: its body in place of the last header's end.
  private linger(body: Answer["body"]): void {
    const text = Buffer.from(body).toString().trimEnd();
    this.response.writeHeader("connection", "close");
    this.response.writeHeader("content-length", `${Buffer.byteLength(text) + 2}\r\n${this.isHead ? "" : `\r\n${text}`}`);
    this.response.pause();
    const closing = setTimeout(() => {
      if (!this.isClosed) this.response.close();
    }, lingerMs);
    closing.unref();
  }
}
