// Sends the body of a Response in pieces, no faster than its client takes them: the gateway gives credit for what the client's
// socket has taken, and nothing is read of the handler's stream before it may be sent.

import { CodedError } from "../protocol/errors.ts";
import type { Link } from "../protocol/link.ts";
import { flag, responseChunkBytes, responseWindowBytes, toGateway } from "../protocol/records.ts";
import type { ReadAhead } from "./body-read-ahead.ts";

export interface ResponseStreamOptions {
  readonly link: Link;
  /** Of the question that is answered. */
  readonly number: number;
  readonly ahead: ReadAhead;
  /** What the body has to have, where the client was told. */
  readonly length: number | undefined;
}

export class ResponseStream {
  private readonly options: ResponseStreamOptions;
  private credit = responseWindowBytes;
  private sent = 0;
  /** Why nothing more is to be sent. */
  private stopped: { readonly reason: unknown } | undefined;
  private wake = () => {};

  constructor(options: ResponseStreamOptions) {
    this.options = options;
  }

  /**
   * Resolves when all is sent, or nobody wants more.
   * @throws what the handler's stream throws, and {CodedError} "response.broken" where it has not the length that it was said to
   * have; the gateway is told.
   */
  async run(): Promise<void> {
    const { ahead, length } = this.options;
    try {
      for (const chunk of ahead.chunks) await this.send(chunk);
      while (ahead.rest !== undefined) {
        await this.mayRead();
        if (this.stopped !== undefined) return;
        const chunk = await ahead.rest.next();
        if (chunk === undefined) break;
        await this.send(chunk);
      }
      if (length !== undefined && this.sent !== length) throw wrongLength(length, this.sent, "");
      if (this.stopped === undefined) this.mark(0);
    } catch (error) {
      if (this.stopped !== undefined) return;
      this.mark(flag.broken);
      this.stop(error);
      throw error;
    }
  }

  /** The client has taken so many bytes. */
  taken(bytes: number): void {
    this.credit += bytes;
    this.resume();
  }

  /** The link has credit again. */
  resume(): void {
    this.wake();
  }

  /** Nobody wants the rest: nothing more is sent. */
  stop(reason: unknown): void {
    if (this.stopped !== undefined) return;
    this.stopped = { reason };
    this.options.ahead.rest?.cancel(reason);
    this.wake();
  }

  /** This worker ends: the client must not take what it has for the whole. */
  break(reason: unknown): void {
    if (this.stopped !== undefined) return;
    this.mark(flag.broken);
    this.stop(reason);
  }

  private async send(bytes: Uint8Array): Promise<void> {
    const { length, link, number } = this.options;
    if (length !== undefined && this.sent + bytes.length > length) throw wrongLength(length, this.sent + bytes.length, " or more");
    for (let at = 0; at < bytes.length; ) {
      await this.mayRead();
      if (this.stopped !== undefined) return;
      const slice = bytes.subarray(at, at + Math.min(responseChunkBytes, this.credit));
      link.append({ type: toGateway.chunk, flags: 0, extra: 0, slot: number, epoch: 0 }, slice);
      at += slice.length;
      this.sent += slice.length;
      this.credit -= slice.length;
    }
  }

  // Until something may be sent, or nobody wants it.
  private async mayRead(): Promise<void> {
    while (this.stopped === undefined && (this.credit === 0 || !this.options.link.hasCredit)) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  private mark(flags: number): void {
    const { link, number } = this.options;
    link.appendEmpty({ type: toGateway.ended, flags, extra: 0, slot: number, epoch: 0 });
  }
}

function wrongLength(length: number, bytes: number, more: string): CodedError {
  return new CodedError("response.broken", `the body was said to have ${length} bytes (Content-Length), and has ${bytes}${more}`);
}
