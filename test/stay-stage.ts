// A gateway's real dispatcher and workers' real turns in one process, for tests of connections that stay with their workers: who reads what, when
// a turn goes on, and who dies, is said step by step.

import { Connection, type Socket } from "../gateway/connection.ts";
import { Dispatcher } from "../gateway/dispatcher.ts";
import { flag, toGateway, toWorker } from "../protocol/records.ts";
import { defineHandler } from "../worker/handler.ts";
import { StageWorker } from "./stage-worker.ts";

const limits = {
  ...{ windowMessages: 3, windowBytes: 1_000, parkedMessages: 1_000, parkedBytes: 1e6, parkedTotalBytes: 1e6 },
  ...{ parkMs: 1e9, fenceMs: 1e9, forgottenMs: 1e9 },
};

/** Everything that waits for nothing but itself. */
export const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Each turn waits until it may go on. */
class WaitingWorker extends StageWorker {
  readonly gates: Array<() => void>;

  constructor(options: Omit<ConstructorParameters<typeof StageWorker>[0], "handler">) {
    const gates: Array<() => void> = [];
    const handler = defineHandler({
      path: "/a",
      async onMessage(conn, message) {
        const [number = "", what = "", ms = ""] = message.text().split(" ");
        await new Promise<void>((resolve) => gates.push(resolve));
        if (what === "stay" || what === "flush") conn.stay(Number(ms));
        if (what === "flush") await conn.flush();
        conn.send(number);
      },
    });
    super({ ...options, handler });
    this.gates = gates;
  }
}

export class Stage {
  now = 1_000;
  readonly workers: WaitingWorker[] = [];
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
    const worker = new WaitingWorker({
      ...{ id: `w${++this.names}`, release: String(this.releases), now: () => this.now },
      onCredit: (peer) => this.dispatcher.creditBack(peer),
    });
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

  go({ gates }: WaitingWorker): void {
    for (const open of gates.splice(0)) open();
  }

  hear({ peer, said }: WaitingWorker, count = said.length): void {
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
