// A client that waits for an answer to its request, upgrade or not.

import { STATUS_CODES } from "node:http";
import type * as uWS from "./library.ts";
import { type BodyReader, readBody } from "./request.ts";
import { type Body, corkedBytes, type Head, SocketBody } from "./response-body.ts";

/**
 * How a connection ends behind an answer, where nobody can tell where the next request begins, or nobody reads this one's body. No request
 * behind it is served.
 *
 * - `now`: as soon as it is written. A client that has already sent another request behind this one gets no answer at all.
 * - `linger`: once the client has had a second to read the answer, while nothing is read of it. A connection that is closed with something
 *   unread is reset, and then the client may never see what it was answered: RFC 9112, 9.6.
 * - `first`: the answer leaves before uWebSockets.js looks at the request's length, which makes it close at once.
 */
export type Close = "now" | "linger" | "first";

export interface Answer {
  readonly status: number;
  readonly headers: ReadonlyArray<readonly [string, string]>;
  readonly body: Uint8Array | string;
  readonly close?: Close | undefined;
}

/** A client that waits for an answer. After it has gone, or was answered, calls do nothing. */
export interface WaitingClient {
  readonly isGone: boolean;
  /** Told once when the client goes before its answer is complete. */
  onGone: (() => void) | undefined;
  /** It is only taken for gone: it comes through another gateway, of which nothing is heard. */
  readonly isSilent?: boolean;
  answer(answer: Answer): void;
  /**
   * Begins an answer whose body follows. Not within a callback of the server, where uWebSockets.js has corked the socket: see response-body.ts.
   * @param onTaken told how many bytes of the body the socket has taken: before, they wait in memory.
   * @returns undefined where no body is to follow: the client has gone, or its request was HEAD.
   */
  begin(head: Head, onTaken: (bytes: number) => void): Body | undefined;
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
/** What is longer is written at once, though the socket is corked. Source: CORK_BUFFER_SIZE in LoopData.h of uWebSockets. */
const corkBytes = 16 * 1024;

// uWebSockets.js frames the body itself.
const ownHeaders = new Set(["content-length", "transfer-encoding", "connection", "date"]);
/** Up to this, with a usual head, an answer is written at once: see response-body.ts. */
const wholeBytes = corkedBytes / 2;
/** RFC 9110, 8.6: no Content-Length in these; 15.3.5 and 15.4.5: no body. */
const bodiless = new Set([204, 304]);

/** What the answers of one server share. */
export interface AnswerRoom {
  /** Bodies that are not written whole yet. */
  readonly writing: Set<SocketBody>;
  /** See response-body.ts. */
  readonly corksAll: boolean;
}

export class Client implements WaitingRequest {
  isGone = false;
  onGone: (() => void) | undefined;
  private isClosed = false;
  private readonly response: uWS.HttpResponse;
  /** Of an answer to HEAD only the length of its body is sent. */
  private readonly isHead: boolean;
  private readonly room: AnswerRoom;
  /** The request says that no other follows it. uWebSockets.js closes behind the answer then, and does not say so: Node's client reuses it. */
  private readonly isLast: boolean;
  private body: SocketBody | undefined;

  constructor(response: uWS.HttpResponse, isHead: boolean, room: AnswerRoom, isLast = false) {
    this.response = response;
    this.isHead = isHead;
    this.isLast = isLast;
    this.room = room;
    response.onAborted(() => {
      const wasAnswered = this.isGone;
      this.isGone = true;
      this.isClosed = true;
      this.body?.abort();
      if (!wasAnswered) this.onGone?.();
    });
  }

  readBody(reader: BodyReader): void {
    if (!this.isGone) readBody(this.response, reader);
  }

  finish(write: (response: uWS.HttpResponse) => void): void {
    if (this.isGone) return;
    this.isGone = true;
    this.response.cork(() => write(this.response));
  }

  answer({ status, headers, body, close }: Answer): void {
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    if (bytes.length > wholeBytes && !this.isHead && close === undefined) return this.answerInParts(status, headers, bytes);
    if (close === "now") return this.answerAndClose(status, headers, bytes);
    this.finish(() => {
      this.writeHead(status, headers);
      if (close === "linger") this.linger(bodiless.has(status) ? undefined : bytes);
      else if (close === "first") this.response.end(Buffer.concat([bytes, Buffer.alloc(corkBytes, " ")]), true);
      else if (bodiless.has(status)) this.response.endWithoutBody();
      else if (this.isHead) this.endHead(bytes.length);
      else this.response.end(bytes);
    });
  }

  begin({ status, headers, length, first }: Head, onTaken: (bytes: number) => void): Body | undefined {
    if (this.isGone) return undefined;
    if (this.isHead || bodiless.has(status)) {
      this.finish(() => {
        this.writeHead(status, headers);
        this.endHead(bodiless.has(status) ? undefined : length);
      });
      return undefined;
    }
    const { response, room } = this;
    const onOver = () => room.writing.delete(body);
    const body = new SocketBody({ response, length, onTaken, onOver, corksAll: room.corksAll });
    room.writing.add(body);
    this.body = body;
    this.response.cork(() => {
      this.writeHead(status, headers);
      body.open({ headers, ...(first && { first }) });
    });
    return body;
  }

  // Not within the callback that has told of the request: what follows it in the same segment would be served before the socket is
  // uncorked, and closed. As long as there is no answer, uWebSockets.js closes where another request follows.
  private answerAndClose(status: number, headers: Answer["headers"], body: Uint8Array): void {
    if (this.isGone) return;
    this.isGone = true;
    setImmediate(() => {
      if (this.isClosed) return;
      this.response.cork(() => {
        this.writeHead(status, headers);
        if (bodiless.has(status)) this.linger(undefined);
        else if (this.isHead) this.response.endWithoutBody(body.length, true);
        else this.response.end(body, true);
      });
    });
  }

  private answerInParts(status: number, headers: Answer["headers"], body: Uint8Array): void {
    const parts = this.begin({ status, headers, length: body.length }, () => undefined);
    parts?.write(body);
    parts?.end();
  }

  // The length as a header of our own: 20.30 would wait for so many bytes, and close the connection where another request comes.
  private endHead(length: number | undefined): void {
    if (length !== undefined) this.response.writeHeader("Content-Length", String(length));
    this.response.endWithoutBody();
  }

  private writeHead(status: number, headers: Answer["headers"]): void {
    this.response.writeStatus(`${status} ${STATUS_CODES[status] ?? ""}`);
    for (const [name, value] of headers) if (!ownHeaders.has(name.toLowerCase())) this.response.writeHeader(name, value);
    if (this.isLast) this.response.writeHeader("connection", "close");
  }

  // What `end` has ended cannot be closed later, and what `endWithoutBody` ends without a length cannot be closed at all. So this
  // answer is written without them: the head's end, and the body, in its last header's value.
  private linger(body: Uint8Array | undefined): void {
    if (body === undefined) this.response.writeHeader("connection", "close\r\n");
    else {
      const text = Buffer.from(body).toString().trimEnd();
      if (!this.isLast) this.response.writeHeader("connection", "close");
      this.response.writeHeader("content-length", `${Buffer.byteLength(text) + 2}\r\n${this.isHead ? "" : `\r\n${text}`}`);
    }
    this.response.pause();
    const closing = setTimeout(() => {
      if (!this.isClosed) this.response.close();
    }, lingerMs);
    closing.unref();
  }
}
