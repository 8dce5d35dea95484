// One connection of the load: numbers its messages, and checks everything that it hears.

import { WebSocket } from "ws";
import { Sequence } from "../testbed/sequence.ts";
import type { Signal } from "../testbed/signal.ts";

/** As chaos/handlers/sequence.ts has it. */
const publishEvery = 10;

export class Client {
  /** The connection's id as the server knows it; empty until its onOpen has run. */
  id = "";
  readonly group: string;
  sent = 0;
  /** Answers that a worker has run twice for. */
  redelivered = 0;
  /** How often the count in the state was not the message's number. */
  wrongCounts = 0;
  readonly answers = new Sequence(1);
  /** Turns of its timer. */
  readonly beats = new Sequence(1);
  /** By the id of the publisher. */
  readonly heard = new Map<string, Sequence>();
  closed: { readonly code: number; readonly reason: string } | undefined;
  /** The longest time in which an answer was owed and none came. */
  silenceMs = 0;
  readonly socket: WebSocket;
  private lastHeardAt = 0;
  private isLeaving = false;
  private readonly signal: Signal;
  /** Whether it listens since before anybody published: then no first publish may be missed. */
  readonly isEarly: boolean;

  constructor(url: string, options: { group: string; isEarly: boolean; signal: Signal }) {
    this.group = options.group;
    this.isEarly = options.isEarly;
    this.signal = options.signal;
    this.socket = new WebSocket(`${url}/sequence/${options.group}`, { perMessageDeflate: false });
    this.socket.on("message", (data: Buffer) => {
      this.hear(data.toString());
      this.signal.tell();
    });
    this.socket.on("close", (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.signal.tell();
    });
    // The close tells.
    this.socket.on("error", () => undefined);
  }

  get isOpen(): boolean {
    return this.id !== "" && this.closed === undefined;
  }

  /** It was closed, and not by us. */
  get isDisconnected(): boolean {
    return this.closed !== undefined && !this.isLeaving;
  }

  get published(): number {
    return Math.floor(this.answers.last / publishEvery);
  }

  /** Whether everything up to a message was answered. */
  hasAnswer(number: number): boolean {
    return this.answers.last >= number && this.answers.lost() === 0;
  }

  send(): void {
    if (this.socket.readyState !== WebSocket.OPEN || this.isLeaving) return;
    // An answer is owed from now on.
    if (this.answers.last === this.sent) this.lastHeardAt = performance.now();
    this.sent++;
    this.socket.send(String(this.sent));
  }

  /** Something that is no numbered message. */
  say(text: string): void {
    this.socket.send(text);
  }

  close(): void {
    this.isLeaving = true;
    this.socket.close(1000);
  }

  /** Goes without a word. */
  breakOff(): void {
    this.isLeaving = true;
    this.socket.terminate();
  }

  /** Counts the silence that still lasts. */
  settleSilence(): void {
    if (this.answers.last < this.sent && this.closed === undefined) this.noteSilence();
  }

  private hear(frame: string): void {
    const [kind, name = "", number = "", how] = frame.split(" ");
    switch (kind) {
      case "open":
        this.id = name;
        return;
      case "answer":
        this.noteSilence();
        this.answers.take(Number(name));
        if (name !== number) this.wrongCounts++;
        if (how === "again") this.redelivered++;
        return;
      case "beat":
        this.beats.take(Number(name));
        return;
      case "published": {
        const first = this.isEarly ? 1 : Number(number);
        const sequence = this.heard.get(name) ?? new Sequence(first);
        this.heard.set(name, sequence);
        sequence.take(Number(number));
      }
    }
  }

  private noteSilence(): void {
    const now = performance.now();
    this.silenceMs = Math.max(this.silenceMs, now - this.lastHeardAt);
    this.lastHeardAt = now;
  }
}
