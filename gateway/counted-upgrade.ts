// An upgrade that has its place among those of its address from its first moment on: it gives the place back when it is refused or goes,
// and hands it to the connection when it is let in.

import type { Body, Head } from "./uws/response-body.ts";
import type { Answer, WaitingUpgrade } from "./uws/waiting-client.ts";

export interface UpgradePlace<Data> {
  /** What it is once it is in. */
  onAdmitted(data: Data): void;
  /** It was refused with this status. */
  onRefused(status: number): void;
  /** It has not become a connection. */
  onOver(): void;
}

export class CountedUpgrade<Data extends object> implements WaitingUpgrade<Data> {
  onGone: (() => void) | undefined;
  private readonly client: WaitingUpgrade<Data>;
  private readonly place: UpgradePlace<Data>;
  private isOver = false;

  constructor(client: WaitingUpgrade<Data>, place: UpgradePlace<Data>) {
    this.client = client;
    this.place = place;
    client.onGone = () => {
      this.end();
      this.onGone?.();
    };
  }

  get isGone(): boolean {
    return this.client.isGone;
  }

  answer(answer: Answer): void {
    if (!this.isGone) this.place.onRefused(answer.status);
    this.client.answer(answer);
    this.end();
  }

  begin(head: Head, onTaken: (bytes: number) => void): Body | undefined {
    this.end();
    return this.client.begin(head, onTaken);
  }

  accept(admit: () => Data, subprotocol: string, headers: Answer["headers"]): void {
    const enter = () => {
      const data = admit();
      this.isOver = true;
      this.place.onAdmitted(data);
      return data;
    };
    this.client.accept(enter, subprotocol, headers);
    // It may have gone before it was in.
    this.end();
  }

  private end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.place.onOver();
  }
}
