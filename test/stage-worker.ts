// A worker in the process of a test: its real turns behind the real link of a gateway. Who reads what, when its words are heard, and when it
// dies, is said step by step.

import { WorkerPeer } from "../gateway/worker-peer.ts";
import { type Batch, decodeBatch, encodeEmptyBatch } from "../protocol/envelope.ts";
import { Link } from "../protocol/link.ts";
import { decodeClose, decodeTimer } from "../protocol/payloads.ts";
import { flag, parsePin, toWorker } from "../protocol/records.ts";
import { compileRoutes } from "../protocol/route-table.ts";
import type { Effects } from "../worker/effects.ts";
import type { Handler } from "../worker/handler.ts";
import { Mailbox, type TurnGateway } from "../worker/mailbox.ts";
import { ReceivedMessage } from "../worker/message.ts";
import { Refusals } from "../worker/refusal-counts.ts";
import { bench } from "../worker/testing/turn-bench.ts";
import { Turns } from "../worker/turns.ts";

const turnLimits = { effectsBytes: 1e6, stateBytes: 100, topicsPerConnection: 9, timersPerConnection: 9, turnTimeoutMs: 1e9 };
const { app } = bench({}).turns;

interface StageWorkerOptions {
  readonly id: string;
  readonly release: string;
  /** Of the path `/a`, which all connections have. */
  readonly handler: Handler;
  readonly now: () => number;
  readonly onCredit: (peer: WorkerPeer) => void;
}

/** A worker of the stage. What it says is heard when a step says so; what it has said before it dies, and was not heard, is lost. */
export class StageWorker implements TurnGateway {
  readonly id = "g";
  readonly isLost = false;
  readonly peer: WorkerPeer;
  readonly said: Array<{ readonly mailbox: Mailbox; readonly effects: Effects["all"]; readonly end: number }> = [];
  readonly mailboxes = new Map<number, Mailbox>();
  readonly turns: Turns;
  private readonly handler: Handler;
  private readonly unread: Batch[] = [];
  private readonly confirms = new Map<Mailbox, () => void>();
  private seq = 0;

  constructor({ id, release, handler, now, onCredit }: StageWorkerOptions) {
    this.handler = handler;
    const route = { path: "/a", subprotocols: [], upgrades: false, answers: false, adopts: false, timers: handler.onTimer !== undefined };
    const link = new Link({
      ...{ self: "g", peer: id, session: 1, now },
      transmit: (bytes) => void this.unread.push(decodeBatch(Buffer.from(bytes))),
      ...{ onBegun: () => undefined, onCredit: () => onCredit(this.peer), onLost: () => undefined },
    });
    this.peer = new WorkerPeer({ id, release, table: compileRoutes([route]), link, now: 0 });
    this.turns = new Turns({
      ...{ release, app, limits: turnLimits, now, refusals: new Refusals(), onThrown: () => undefined },
      exclusive: { mayRun: () => true, step: () => undefined },
      lock: async () => undefined,
    });
  }

  takesMore(): boolean {
    return true;
  }

  commit(mailbox: Mailbox, effects: Effects, end: number): void {
    this.said.push({ mailbox, effects: [...effects.all], end });
  }

  flushed(mailbox: Mailbox): Promise<void> {
    return new Promise((resolve) => this.confirms.set(mailbox, resolve));
  }

  idle(mailbox: Mailbox): void {
    if (mailbox.release()) this.said.push({ mailbox, effects: [], end: 0 });
  }

  /** Reads what was sent to it, and runs it. */
  read(): void {
    this.peer.link.flush();
    for (const batch of this.unread.splice(0)) {
      this.seq = Math.max(this.seq, batch.header.seq);
      for (let index = 0; index < batch.records; index++) this.readRecord(batch, index);
    }
    const header = { from: this.peer.id, to: "g", session: 1, peerSession: 1, seq: 0, ack: this.seq, gap: false };
    this.peer.link.receive(decodeBatch(encodeEmptyBatch(header)));
  }

  private readRecord(batch: Batch, index: number): void {
    const [type, slot, epoch] = [batch.type(index), batch.slot(index), batch.epoch(index)];
    if (type === toWorker.pin) {
      const { id, next, timers, lastTimer, level } = parsePin(batch.payload(index));
      const about = { path: "/a", params: {}, query: new URLSearchParams(), ip: "", user: undefined, subprotocol: "", state: undefined };
      const own = { isMigrated: false, topics: new Set<string>(), fault: undefined, handler: this.handler };
      this.mailboxes.set(slot, new Mailbox({ gateway: this, slot, epoch, id, next, timers, lastTimer, level, ...about, ...own }));
      return;
    }
    const mailbox = this.mailboxes.get(slot);
    if (mailbox?.pin.epoch !== epoch) return;
    const marks = { redelivered: (batch.flags(index) & flag.redelivered) !== 0, flushed: batch.extra(index) };
    if (type === toWorker.unpin) mailbox.leave(batch.extra(index) === 1);
    else if (type === toWorker.flushed) this.confirms.get(mailbox)?.();
    else if (type === toWorker.message) mailbox.push({ type, message: new ReceivedMessage(batch.view(index), false), ...marks });
    else if (type === toWorker.timer) mailbox.push({ type, ...decodeTimer(batch.payload(index)), ...marks });
    else if (type === toWorker.close) mailbox.push({ type, ...decodeClose(batch.payload(index)), ...marks });
    else mailbox.push({ type: toWorker.open, ...marks });
    this.turns.run(mailbox);
  }
}
