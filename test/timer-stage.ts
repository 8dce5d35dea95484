// For the test of timers: the real dispatcher of a gateway and the real turns of workers, in one process. Sockets, the bus and time are
// played; who reads what, and when, and who dies, is said step by step.

import { expect } from "vitest";
import { Connection, type Socket } from "../gateway/connection.ts";
import { Dispatcher } from "../gateway/dispatcher.ts";
import { Timers } from "../gateway/timers.ts";
import { decodeSetTimer } from "../protocol/payloads.ts";
import { flag, toGateway, toWorker } from "../protocol/records.ts";
import { defineHandler, type } from "../worker/handler.ts";
import { StageWorker } from "./stage-worker.ts";

export type Name = "once" | "tick" | "flush";
type Wish = { readonly set: Name; readonly ms: number } | { readonly clear: Name } | { readonly throws: Name };
/** What turns tell: that a timer's turn has begun, which is committed early, and that it is done. */
type Told = { readonly begun: string } | { readonly done: string };

const again = 30;
const limits = {
  ...{ windowMessages: 3, windowBytes: 1_000, parkedMessages: 1_000, parkedBytes: 1e6, parkedTotalBytes: 1e6 },
  ...{ parkMs: 1e9, fenceMs: 1e9, forgottenMs: 1e9 },
};

/** "once" is done at once. "tick" sets itself again. "flush" does so, too, in what it commits early. */
const handler = defineHandler({
  path: "/a",
  message: type<Wish>(),
  onMessage(conn, wish) {
    if ("throws" in wish) conn.clearTimer(wish.throws);
    if ("throws" in wish) throw new Error("after all");
    if ("set" in wish) conn.setTimer(wish.set, wish.ms);
    else conn.clearTimer(wish.clear);
  },
  async onTimer(conn, name, turn) {
    if (name === "flush" && turn.flushed === 0) {
      conn.send({ begun: turn.id });
      conn.setTimer(name, again);
      await conn.flush();
    }
    conn.send({ done: turn.id });
    if (name === "tick") conn.setTimer(name, again);
  },
  onError: () => undefined,
});

export class Stage {
  now = 1_000;
  readonly workers: StageWorker[] = [];
  readonly connections: Connection[] = [];
  readonly dispatcher: Dispatcher;
  readonly timers: Timers;
  /** By the id of its turn: when it is due, and what has become of it. */
  readonly fates = new Map<string, { readonly at: number; fate: "set" | "begun" | "done" | "cleared" | "closed" }>();
  private readonly current = new Map<string, string>();
  private readonly ticks: Array<{ readonly at: number; readonly run: () => void }> = [];
  private readonly slices: Array<() => void> = [];
  private releases = 0;
  private names = 0;

  constructor() {
    const clock = { now: () => this.now, later: (run: () => void) => void this.slices.push(run) };
    const onBug = (_: Connection, error: unknown) => {
      throw error;
    };
    const none = { onBreak: () => undefined, onEnd: () => undefined, onPoison: () => undefined, onCandidates: () => undefined };
    this.dispatcher = new Dispatcher({ connections: () => this.connections, limits, ...clock, ...none, onBug });
    this.timers = new Timers({
      ...{ ...clock, onBug, limits: { timers: 1e6 }, waiting: () => this.dispatcher.parking.timers },
      after: (ms, run) => void this.ticks.push({ at: this.now + ms, run }),
      park: (connection, event) => this.dispatcher.arrived(connection, event),
    });
    this.deploy();
    for (let slot = 0; slot < 2; slot++) {
      const about = { id: `g-${slot}-1`, path: "/a", query: "", ip: "", user: undefined, subprotocol: "", state: undefined };
      const connection = new Connection({ slot, epoch: 0, ...about });
      connection.socket = {} as Socket;
      this.connections.push(connection);
      this.dispatcher.opened(connection);
    }
  }

  send(connection: Connection, wish: Wish): void {
    this.dispatcher.received(connection, Buffer.from(JSON.stringify(wish)), false);
  }

  close(connection: Connection): void {
    if (connection.socket === undefined) return;
    this.timers.forget(connection);
    this.dispatcher.closed(connection, 1000, Buffer.alloc(0));
  }

  join(): void {
    const worker = new StageWorker({
      ...{ id: `w${++this.names}`, release: String(this.releases), handler, now: () => this.now },
      onCredit: (peer) => this.dispatcher.creditBack(peer),
    });
    this.workers.push(worker);
    this.dispatcher.joined(worker.peer);
  }

  deploy(): void {
    const before = [...this.workers];
    this.releases++;
    this.join();
    this.dispatcher.activate({ release: String(this.releases), generation: this.releases });
    for (const { peer } of before) this.dispatcher.drains(peer);
  }

  kill(worker: StageWorker | undefined): void {
    if (worker === undefined) return;
    this.workers.splice(this.workers.indexOf(worker), 1);
    worker.peer.link.close();
    this.dispatcher.lost(worker.peer, "left");
  }

  pass(ms: number): void {
    for (const until = this.now + ms; this.now < until; ) {
      this.now += 10;
      for (const tick of this.ticks.filter(({ at }) => at <= this.now)) {
        this.ticks.splice(this.ticks.indexOf(tick), 1);
        tick.run();
      }
    }
    for (let run = this.slices.shift(); run !== undefined; run = this.slices.shift()) run();
  }

  hear({ peer, said }: StageWorker, count = said.length): void {
    for (const { mailbox, effects, end } of said.splice(0, count)) {
      const { slot, epoch } = mailbox.pin;
      const connection = this.connections[slot] as Connection;
      if (connection.worker !== peer || connection.epoch !== epoch) continue;
      if (end === 0) {
        this.dispatcher.released(connection);
        continue;
      }
      for (const { type: effect, payload } of effects) {
        if (effect === toGateway.send) this.told(JSON.parse(payload.toString()) as Told);
        else if (effect === toGateway.noTimer) this.clear(connection, payload.toString());
        else if (effect === toGateway.timer) this.set(connection, Buffer.from(payload as Uint8Array));
      }
      if (end === flag.commit) this.dispatcher.committed(connection);
      else {
        for (const event of connection.events.slice(0, 1)) event.flushed++;
        peer.link.appendEmpty({ type: toWorker.flushed, flags: 0, extra: 0, slot, epoch });
      }
    }
  }

  private told(told: Told): void {
    const id = "begun" in told ? told.begun : told.done;
    const timer = this.fates.get(id);
    if (timer === undefined) throw new Error(`${id} was never set`);
    expect(this.now, `${id} is early`).toBeGreaterThanOrEqual(timer.at);
    expect(["set", "begun"], `${id} has a turn`).toContain(timer.fate);
    if ("begun" in told) expect(timer.fate, `${id} begins`).toBe("set");
    timer.fate = "begun" in told ? "begun" : "done";
  }

  private set(connection: Connection, payload: Buffer): void {
    const timer = decodeSetTimer(payload);
    this.ends(connection, timer.name);
    this.timers.set(connection, timer);
    if (connection.socket === undefined) return;
    const id = `${connection.id}:timer-${timer.number}`;
    expect(this.fates.has(id), `${id} is another one`).toBe(false);
    this.fates.set(id, { at: this.now + timer.ms, fate: "set" });
    this.current.set(`${connection.slot} ${timer.name}`, id);
  }

  private clear(connection: Connection, name: string): void {
    this.ends(connection, name);
    this.timers.clear(connection, name);
  }

  private ends({ slot }: Connection, name: string): void {
    const timer = this.fates.get(this.current.get(`${slot} ${name}`) ?? "");
    if (timer?.fate === "set") timer.fate = "cleared";
  }
}
