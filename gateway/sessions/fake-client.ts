// A client that waits for an answer, for tests of what decides about it: it remembers what it was given, and takes as much as it is told to.

import type { Body, Head } from "../uws/response-body.ts";
import type { Answer, WaitingClient } from "../uws/waiting-client.ts";

export class FakeClient implements WaitingClient {
  isGone = false;
  onGone: (() => void) | undefined;
  answered: Answer | undefined;
  head: Head | undefined;
  body = "";
  end: "end" | "cut" | undefined;
  private readonly isSlow: boolean;
  private onTaken: (bytes: number) => void = () => undefined;
  private untaken = 0;

  /** @param isSlow It takes bytes when it is told to. */
  constructor(isSlow = false) {
    this.isSlow = isSlow;
  }

  get isOver(): boolean {
    return this.answered !== undefined || (this.end !== undefined && this.untaken === 0);
  }

  answer(answer: Answer): void {
    this.answered = answer;
  }

  begin(head: Head, onTaken: (bytes: number) => void): Body | undefined {
    if (this.isGone) return undefined;
    this.head = head;
    this.body = head.first === undefined ? "" : Buffer.from(head.first).toString();
    this.onTaken = onTaken;
    return {
      write: (bytes) => {
        this.body += Buffer.from(bytes).toString();
        this.untaken += bytes.length;
        if (!this.isSlow) this.take();
      },
      end: () => {
        this.end = "end";
      },
      cut: () => {
        this.end = "cut";
      },
    };
  }

  /** What was written. */
  take(): void {
    const bytes = this.untaken;
    this.untaken = 0;
    if (bytes > 0) this.onTaken(bytes);
  }

  leave(): void {
    this.isGone = true;
    this.onGone?.();
  }
}
