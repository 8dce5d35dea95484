// The client of a request that has reached another gateway, as the session's own gateway sees it: what it is answered goes there in
// pieces, which are kept until that gateway has said that it has them. Pure.

import { pieceBytes, type SessionPiece } from "../../protocol/session-messages.ts";
import type { Body, Head } from "../uws/response-body.ts";
import type { Answer, WaitingClient } from "../uws/waiting-client.ts";

export class RemoteReceiver implements WaitingClient, Body {
  isGone = false;
  /** It is gone because its gateway is silent: whether its client is gone nobody knows. */
  isSilent = false;
  onGone: (() => void) | undefined;
  private readonly tell: (seq: number, piece: SessionPiece) => void;
  /** Those that the other gateway may not have, in order; the first of them is `first`. */
  private pieces: SessionPiece[] = [];
  private first = 1;
  private onTaken: (bytes: number) => void = () => undefined;
  private bytes = 0;
  private taken = 0;
  private hasEnded = false;

  /** @param tell Sends a piece to the other gateway; it may be lost. */
  constructor(tell: (seq: number, piece: SessionPiece) => void) {
    this.tell = tell;
  }

  /** Nothing is left to be said, by either side. */
  get isOver(): boolean {
    return this.isGone || (this.hasEnded && this.pieces.length === 0 && this.taken >= this.bytes);
  }

  answer(answer: Answer): void {
    if (this.isGone || this.hasEnded) return;
    const { status, headers, body } = answer;
    this.hasEnded = true;
    this.push({ is: "answer", answer: { status, headers: pairs(headers), body: Buffer.from(body) } });
  }

  begin({ status, headers, length, first }: Head, onTaken: (bytes: number) => void): Body | undefined {
    if (this.isGone) return undefined;
    this.onTaken = onTaken;
    this.push({ is: "head", status, headers: pairs(headers), length, first });
    return this;
  }

  write(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    for (let at = 0; at < bytes.length; at += pieceBytes) this.push({ is: "bytes", bytes: bytes.subarray(at, at + pieceBytes) });
  }

  end(): void {
    this.hasEnded = true;
    this.push({ is: "end" });
  }

  cut(): void {
    this.hasEnded = true;
    // Nobody counts what it has.
    this.bytes = 0;
    this.push({ is: "cut" });
  }

  /** @param seq of the last piece that has come there. @param taken Bytes that its client has, in all. */
  acked(seq: number, taken: number): void {
    if (seq >= this.first) {
      this.pieces = this.pieces.slice(seq - this.first + 1);
      this.first = seq + 1;
    }
    if (taken <= this.taken) return;
    const more = taken - this.taken;
    this.taken = taken;
    this.onTaken(more);
  }

  /** Whatever it has not said that it has. @returns whether there is any. */
  repeat(): boolean {
    for (const [index, piece] of this.pieces.entries()) this.tell(this.first + index, piece);
    return this.pieces.length > 0;
  }

  /** Nobody waits for the answer any more. */
  leave(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.onGone?.();
  }

  /** Nothing is heard of its gateway. */
  silent(): void {
    this.isSilent = true;
    this.leave();
  }

  private push(piece: SessionPiece): void {
    this.pieces.push(piece);
    this.tell(this.first + this.pieces.length - 1, piece);
  }
}

function pairs(headers: Answer["headers"]): Array<[string, string]> {
  return headers.map(([name, value]) => [name, value]);
}
