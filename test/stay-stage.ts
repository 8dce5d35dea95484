// A gateway's real dispatcher and workers' real turns in one process, for tests of connections that stay with their workers: who reads what, when
// a turn goes on, and who dies, is said step by step.

import { Connection, type Socket } from "../gateway/connection.ts";
import { Dispatcher } from "../gateway/dispatcher.ts";
import { WorkerPeer } from "../gateway/worker-peer.ts";
import { type Batch, decodeBatch, encodeEmptyBatch } from "../protocol/envelope.ts";
import { Link } from "../protocol/link.ts";
import { flag, parsePin, toGateway, toWorker } from "../protocol/records.ts";
import { compileRoutes } from "../protocol/route-table.ts";
import type { Effects } from "../worker/effects.ts";
import { defineHandler, type Handler } from "../worker/handler.ts";
import { Mailbox, type TurnGateway } from "../worker/mailbox.ts";
import { ReceivedMessage } from "../worker/message.ts";
import { Refusals } from "../worker/refusal-counts.ts";
import { bench } from "../worker/testing/turn-bench.ts";
import { Turns } from "../worker/turns.ts";

const limits = {
  ...{ windowMessages: 3, windowBytes: 1_000, parkedMessages: 1_000, parkedBytes: 1e6, parkedTotalBytes: 1e6 },
  ...{ parkMs: 1e9, fenceMs: 1e9, forgottenMs: 1e9 },
};
const turnLimits = { effectsBytes: 1e6, stateBytes: 100, topicsPerConnection: 9, timersPerConnection: 9, turnTimeoutMs: 1e9 };
const { app } = bench({}).turns;

/** Everything that waits for nothing but itself. */
export const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** What it has said before it dies, and was not heard, is lost. */
class Worker implements TurnGateway {
  readonly id = "g";
  readonly isLost = false;
  readonly peer: WorkerPeer;
  readonly turns: Turns;
  readonly said: Array<{ readonly mailbox: Mailbox; readonly effects: Effects["all"]; readonly end: number }> = [];
  /** Turns that wait. */
  gates: Array<() => void> = [];
  private readonly handler: Handler;
  readonly mailboxes = new Map<number, Mailbox>();
  private readonly unread: Batch[] = [];
  private readonly confirms = new Map<Mailbox, () => void>();
  private seq = 0;

  constructor(stage: Stage, id: string, release: string) {
    const link = new Link({
      ...{ self: "g", peer: id, session: 1, now: () => stage.now },
      transmit: (bytes) => void this.unread.push(decodeBatch(Buffer.from(bytes))),
      ...{ onBegun: () => undefined, onCredit: () => stage.dispatcher.creditBack(this.peer), onLost: () => undefined },
    });
    const route = { path: "/a", subprotocols: [], upgrades: false, answers: false, adopts: false };
    this.peer = new WorkerPeer({ id, release, table: compileRoutes([route]), link, now: 0 });
    this.turns = new Turns({
      ...{ release, app, limits: turnLimits, now: () => stage.now, refusals: new Refusals(), onThrown: () => undefined },
      exclusive: { mayRun: () => true, step: () => undefined },
      lock: async () => undefined,
    });
    const gate = () => new Promise<void>((resolve) => this.gates.push(resolve));
    this.handler = defineHandler({
      path: "/a",
      async onMessage(conn, message) {
        const [number = "", what = "", ms = ""] = message.text().split(" ");
        await gate();
        if (what === "stay" || what === "flush") conn.stay(Number(ms));
        if (what === "flush") await conn.flush();
        conn.send(number);
      },
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
      const { id, next, level } = parsePin(batch.payload(index));
      const about = { path: "/a", params: {}, query: new URLSearchParams(), ip: "", user: undefined, subprotocol: "", state: undefined };
      const own = { isMigrated: false, topics: new Set<string>(), fault: undefined, handler: this.handler };
      this.mailboxes.set(slot, new Mailbox({ gateway: this, slot, epoch, id, next, level, ...about, ...own }));
      return;
    }
    const mailbox = this.mailboxes.get(slot);
    if (mailbox?.pin.epoch !== epoch) return;
    const marks = { redelivered: (batch.flags(index) & flag.redelivered) !== 0, flushed: batch.extra(index) };
    if (type === toWorker.unpin) mailbox.leave(batch.extra(index) === 1);
    else if (type === toWorker.flushed) this.confirms.get(mailbox)?.();
    else if (type === toWorker.message) mailbox.push({ type, message: new ReceivedMessage(batch.view(index), false), ...marks });
    else mailbox.push({ type: toWorker.open, ...marks });
    this.turns.run(mailbox);
  }
}

export class Stage {
  now = 1_000;
  readonly workers: Worker[] = [];
  readonly dispatcher: Dispatcher;
  /** What turns have sent that were applied. */
  readonly told: Array<[who: string, number: number]> = [];
  readonly connections: Connection[] = [];
  readonly sent = [0, 0];
  private readonly slices: Array<() => void> = [];
  releases = 0;
  private generation = 0;
  private names = 0;

  constructor() {
    const onBug = (_: Connection, error: unknown) => {
      throw error;
    };
    const none = { onBreak: () => undefined, onEnd: () => undefined, onPoison: () => undefined, onCandidates: () => undefined };
    const clock = { now: () => this.now, later: (run: () => void) => void this.slices.push(run) };
    this.dispatcher = new Dispatcher({ connections: () => this.connections, limits, ...clock, ...none, onBug });
    this.deploy();
    for (let slot = 0; slot < 2; slot++) {
      const about = { id: `g-${slot}-1`, path: "/a", query: "", ip: "", user: undefined, subprotocol: "", state: undefined };
      const connection = new Connection({ slot, epoch: 0, ...about });
      connection.socket = {} as Socket;
      this.connections.push(connection);
      this.dispatcher.opened(connection);
    }
  }

  send(who: number, what: string): void {
    const number = (this.sent[who] ?? 0) + 1;
    this.sent[who] = number;
    this.dispatcher.received(this.connections[who] as Connection, Buffer.from(`${number} ${what}`), false);
  }

  join(): void {
    const worker = new Worker(this, `w${++this.names}`, String(this.releases));
    this.workers.push(worker);
    this.dispatcher.joined(worker.peer);
  }

  /** @param drains Whether the workers before end soon. */
  deploy(drains = false): void {
    const before = [...this.workers];
    this.releases++;
    this.join();
    this.activate(this.releases);
    if (!drains) return;
    for (const { peer, turns } of before) {
      this.dispatcher.drains(peer);
      turns.stays.drain();
    }
  }

  activate(release: number): void {
    this.dispatcher.activate({ release: String(release), generation: ++this.generation });
    this.slice();
  }

  kill(): void {
    const worker = this.workers.shift();
    worker?.peer.link.close();
    if (worker !== undefined) this.dispatcher.lost(worker.peer, "left");
  }

  pass(ms: number): void {
    this.now += ms;
    this.dispatcher.sweep(0);
    for (const { turns } of this.workers) turns.sweep();
    this.slice();
  }

  /** All is read, run and heard; time stands still. */
  async quiet(): Promise<void> {
    for (let round = 0; round < 12; round++) {
      for (const worker of this.workers) {
        worker.read();
        this.go(worker);
      }
      await settled();
      for (const worker of this.workers) this.hear(worker);
      this.slice();
    }
  }

  private slice(): void {
    for (let run = this.slices.shift(); run !== undefined; run = this.slices.shift()) run();
  }

  go({ gates }: Worker): void {
    for (const open of gates.splice(0)) open();
  }

  hear({ peer, said }: Worker, count = said.length): void {
    for (const { mailbox, effects, end } of said.splice(0, count)) {
      const { slot, epoch } = mailbox.pin;
      const connection = this.connections[slot] as Connection;
      if (connection.worker !== peer || connection.epoch !== epoch) continue;
      if (end === 0) this.dispatcher.released(connection);
      for (const { type, payload, extra } of effects) {
        if (type === toGateway.send) this.told.push([connection.id, Number(payload)]);
        else if (type === toGateway.stay) this.dispatcher.stay(connection, extra);
      }
      if (end === flag.commit) {
        this.dispatcher.committed(connection);
        this.dispatcher.applied(connection);
      } else if (end === flag.flush) peer.link.appendEmpty({ type: toWorker.flushed, flags: 0, extra: 0, slot, epoch });
    }
  }
}
