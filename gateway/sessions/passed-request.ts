// A request that has reached this gateway, and whose session another one has: what that one answers, piece by piece, goes to the client.
// Pure: what is lost on the way is asked for again by whoever sweeps it.

import type { SessionPiece } from "../../protocol/session-messages.ts";
import type { Body } from "../uws/response-body.ts";
import type { WaitingClient } from "../uws/waiting-client.ts";

export class PassedRequest {
  /** Of the last piece that has come, and those before it. */
  seq = 0;
  /** Bytes of the body that the client has taken. */
  taken = 0;
  private readonly client: WaitingClient;
  private readonly onBegun: (status: number) => void;
  private readonly onTaken: () => void;
  private body: Body | undefined;
  private bytes = 0;
  private hasEnded = false;

  constructor(client: WaitingClient, { onBegun, onTaken }: { onBegun: (status: number) => void; onTaken: () => void }) {
    this.client = client;
    this.onBegun = onBegun;
    this.onTaken = onTaken;
  }

  get hasBegun(): boolean {
    return this.seq > 0;
  }

  /** The client has all of it. */
  get isWhole(): boolean {
    return this.hasEnded && this.taken === this.bytes;
  }

  /** One that does not follow the last is dropped: it comes again. */
  take(seq: number, piece: SessionPiece): void {
    if (seq !== this.seq + 1) return;
    this.seq = seq;
    switch (piece.is) {
      case "answer":
        this.hasEnded = true;
        this.onBegun(piece.answer.status);
        return this.client.answer(piece.answer);
      case "head":
        return this.begin(piece);
      case "bytes":
        this.bytes += piece.bytes.length;
        // No body is to follow, as behind HEAD: nobody takes it.
        if (this.body === undefined) this.taken += piece.bytes.length;
        return this.body?.write(piece.bytes);
      case "end":
        this.hasEnded = true;
        return this.body?.end();
      case "cut":
        return this.cut();
    }
  }

  /** The other gateway is not there any more. */
  cut(): void {
    this.hasEnded = true;
    this.taken = this.bytes;
    this.body?.cut();
  }

  private begin({ status, headers, length, first }: SessionPiece & { is: "head" }): void {
    const head = { status, headers, length, ...(first && { first }) };
    this.body = this.client.begin(head, (bytes) => {
      this.taken += bytes;
      this.onTaken();
    });
    this.onBegun(status);
  }
}
