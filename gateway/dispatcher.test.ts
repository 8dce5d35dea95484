import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Batch, decodeBatch, encodeEmptyBatch } from "../protocol/envelope.ts";
import { type ErrorCode, errorTable } from "../protocol/errors.ts";
import { Link } from "../protocol/link.ts";
import { decodeClose, flag, type PinBody, parsePin, toWorker } from "../protocol/records.ts";
import { compileRoutes } from "../protocol/route.ts";
import { Connection, type Socket } from "./connection.ts";
import { Dispatcher, type DispatchLimits } from "./dispatcher.ts";
import { WorkerPeer } from "./worker-peer.ts";

const limits: DispatchLimits = {
  windowMessages: 3,
  windowBytes: 60,
  parkedMessages: 8,
  parkedBytes: 200,
  parkedTotalBytes: 600,
  parkMs: 1_000,
};

/** Room for a pin and a few messages: credit runs out all the time. */
const linkLimits = { batchBytes: 4_096, unackedBytes: 500, retransmitMs: 300, ackDelayMs: 30 };

const names: Record<number, string> = Object.fromEntries(Object.entries(toWorker).map(([name, type]) => [type, name]));

/** What a worker was given of one pin, and has not committed: its mailbox. */
interface Mailbox {
  readonly epoch: number;
  readonly client: Client;
  queue: string[];
  isLeaving: boolean;
  /** A turn has closed the connection: of what follows only the close is run. */
  isClosed: boolean;
}

/** A worker that does what workers do, but only when it is told to: read, run its next turn, give back. */
class Worker {
  readonly peer: WorkerPeer;
  readonly mailboxes = new Map<number, Mailbox>();
  readonly unread: Batch[] = [];
  /** What it has said and the gateway has not read. */
  readonly said: Array<{ slot: number; epoch: number; what: "commit" | "commit and close" | "released"; event: string }> = [];
  /** All that it ever read, as text. */
  readonly log: string[] = [];
  private readonly stage: Stage;
  private seq = 0;

  constructor(stage: Stage, id: string, release: string, paths: readonly string[]) {
    this.stage = stage;
    // Release 2 wants a turn when it adopts.
    const routes = paths.map((path) => ({ path, subprotocols: [], upgrades: false, answers: false, adopts: release === "2" }));
    const link = new Link({
      self: "g",
      peer: id,
      session: 1,
      limits: linkLimits,
      now: () => stage.now,
      transmit: (bytes) => this.unread.push(stage.given(decodeBatch(bytes))),
      onBegun: () => undefined,
      onCredit: () => stage.dispatcher.creditBack(this.peer),
      onLost: () => undefined,
    });
    this.peer = new WorkerPeer({ id, release, routes, table: compileRoutes(routes), link, now: stage.now });
  }

  /** Reads all that has arrived, which gives the gateway credit. */
  read(): void {
    for (const batch of this.unread.splice(0)) {
      this.seq = batch.header.seq;
      for (let index = 0; index < batch.records; index++) this.readRecord(batch, index);
    }
    const header = { from: this.peer.id, to: "g", session: 1, peerSession: 1, seq: 0, ack: this.seq, gap: false };
    this.peer.link.receive(decodeBatch(encodeEmptyBatch(header)));
  }

  private readRecord(batch: Batch, index: number): void {
    const slot = batch.slot(index);
    const epoch = batch.epoch(index);
    const type = batch.type(index);
    if (type === toWorker.pin) {
      const client = this.stage.clientAt(slot);
      this.log.push(`pin ${client.connection.id}`);
      this.mailboxes.set(slot, { epoch, client, queue: [], isLeaving: false, isClosed: false });
      return;
    }
    const mailbox = this.mailboxes.get(slot);
    if (mailbox?.epoch !== epoch) return;
    if (type === toWorker.unpin) {
      this.log.push(`unpin ${mailbox.client.connection.id}`);
      mailbox.isLeaving = true;
      // Its first event has begun; the rest is given back.
      mailbox.queue.length = Math.min(1, mailbox.queue.length);
      return;
    }
    const event = eventOf(batch, index);
    this.log.push(`${mailbox.client.connection.id} ${event}${(batch.flags(index) & flag.redelivered) === 0 ? "" : " again"}`);
    expect(mailbox.isLeaving, "an event came to a pin that was asked back").toBe(false);
    if (!mailbox.isClosed || isClose(event)) mailbox.queue.push(event);
  }

  /** Runs the next turn of a connection to its end. */
  run(slot: number, closes = false): void {
    const mailbox = this.mailboxes.get(slot);
    const event = mailbox?.queue.shift();
    if (mailbox === undefined || event === undefined) return;
    mailbox.client.began(event);
    this.said.push({ slot, epoch: mailbox.epoch, what: closes ? "commit and close" : "commit", event });
    if (closes) {
      mailbox.isClosed = true;
      mailbox.queue = mailbox.queue.filter(isClose);
    }
    if (isClose(event)) this.mailboxes.delete(slot);
  }

  giveBack(slot: number): void {
    const mailbox = this.mailboxes.get(slot);
    if (mailbox === undefined || !mailbox.isLeaving || mailbox.queue.length > 0) return;
    this.mailboxes.delete(slot);
    this.said.push({ slot, epoch: mailbox.epoch, what: "released", event: "" });
  }
}

function eventOf(batch: Batch, index: number): string {
  const type = batch.type(index);
  if (type === toWorker.message) return batch.text(index);
  if (type === toWorker.close) return `close ${decodeClose(batch.payload(index)).code}`;
  return names[type] ?? "?";
}

function isClose(event: string): boolean {
  return event.startsWith("close");
}

/** A client with its connection, and what has to become of it. */
class Client {
  readonly connection: Connection;
  readonly sent: string[] = [];
  readonly committed: string[] = [];
  /** With the worker that it is pinned to, uncommitted, as the gateway sees it. */
  outstanding: string[] = [];
  /** Of these a worker died, once or more often. */
  readonly lost = new Set<string>();
  readonly begun = new Map<string, number>();
  brokenWith: ErrorCode | undefined;
  /** Its handler closed it: what follows is dropped. */
  isCut = false;
  ended = 0;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  began(event: string): void {
    if (event === "adopt") return;
    const count = (this.begun.get(event) ?? 0) + 1;
    this.begun.set(event, count);
    if (count > 1) expect(this.lost, `${event} was begun twice`).toContain(event);
  }
}

/** The real dispatcher with real links; sockets, workers and time are played. */
class Stage {
  now = 10_000;
  readonly dispatcher: Dispatcher;
  readonly clients: Client[] = [];
  readonly workers: Worker[] = [];
  private readonly slots: Client[] = [];
  private readonly freed: Array<{ slot: number; epoch: number }> = [];
  private names = 0;
  private generation = 0;

  constructor(given: Partial<DispatchLimits> = {}) {
    this.dispatcher = new Dispatcher({
      limits: { ...limits, ...given },
      now: () => this.now,
      onBreak: (connection, code) => {
        if (connection.socket === undefined) return;
        this.clientOf(connection).brokenWith = code;
        this.dispatcher.closed(connection, errorTable[code].close, Buffer.from(code));
      },
      onEnd: (connection) => {
        this.clientOf(connection).ended++;
        this.freed.push({ slot: connection.slot, epoch: connection.epoch });
      },
      onCandidates: () => undefined,
    });
  }

  clientAt(slot: number): Client {
    return this.slots[slot] as Client;
  }

  private clientOf(connection: Connection): Client {
    return this.clientAt(connection.slot);
  }

  open(path = "/a"): Client {
    const { slot, epoch } = this.freed.pop() ?? { slot: this.slots.length, epoch: 0 };
    const id = `c${this.clients.length}`;
    const connection = new Connection({
      ...{ slot, epoch, id, path },
      ...{ query: "", ip: "", user: undefined, subprotocol: "", state: undefined },
    });
    connection.socket = {} as Socket;
    const client = new Client(connection);
    this.clients.push(client);
    this.slots[slot] = client;
    this.dispatcher.opened(connection);
    this.flush();
    return client;
  }

  /** @param text is unique for its client: events are told apart by it. */
  message(client: Client, text: string): void {
    if (client.connection.socket === undefined) return;
    if (!client.connection.isClosing) client.sent.push(text);
    // As uWebSockets.js does, whose buffer is used again.
    const buffer = Buffer.from(text);
    this.dispatcher.received(client.connection, buffer, false);
    buffer.fill(0);
    this.flush();
  }

  close(client: Client): void {
    if (client.connection.socket === undefined) return;
    this.dispatcher.closed(client.connection, 1000, Buffer.alloc(0));
    this.flush();
  }

  join(release = "1", paths: readonly string[] = ["/a"]): Worker {
    const worker = new Worker(this, `w${++this.names}`, release, paths);
    this.workers.push(worker);
    this.dispatcher.joined(worker.peer);
    this.flush();
    return worker;
  }

  activate(release = "1"): void {
    this.dispatcher.activate({ release, generation: ++this.generation });
    this.flush();
  }

  drain(worker: Worker): void {
    this.dispatcher.drains(worker.peer);
    this.flush();
  }

  lose(worker: Worker): void {
    this.workers.splice(this.workers.indexOf(worker), 1);
    worker.peer.link.close();
    for (const client of this.clients) {
      if (client.connection.worker !== worker.peer) continue;
      for (const event of client.outstanding.splice(0)) client.lost.add(event);
    }
    this.dispatcher.lost(worker.peer);
    this.flush();
  }

  sweep(ms: number): void {
    this.now += ms;
    this.dispatcher.sweep();
    this.flush();
  }

  /** The gateway reads what a worker has said. */
  hear(worker: Worker): void {
    for (const { slot, epoch, what, event } of worker.said.splice(0)) {
      const client = this.clientAt(slot);
      const { connection } = client;
      if (connection.worker !== worker.peer || connection.epoch !== epoch) continue;
      if (what === "released") {
        client.outstanding = [];
        this.dispatcher.released(connection);
        continue;
      }
      expect(client.outstanding.shift()).toBe(event);
      if (event !== "adopt") client.committed.push(event);
      if (what === "commit and close") {
        client.isCut = true;
        client.outstanding = client.outstanding.filter(isClose);
        this.dispatcher.closing(connection);
        if (connection.socket !== undefined) this.dispatcher.closed(connection, 4000, Buffer.alloc(0));
      }
      this.dispatcher.committed(connection);
    }
    this.flush();
  }

  read(worker: Worker): void {
    worker.read();
    this.flush();
  }

  /** What the gateway has given to a worker, at the moment of giving. */
  given(batch: Batch): Batch {
    for (let index = 0; index < batch.records; index++) {
      const client = this.clientAt(batch.slot(index));
      const { connection } = client;
      const type = batch.type(index);
      if (type === toWorker.unpin) continue;
      expect(connection.epoch, "given with an epoch that is over").toBe(batch.epoch(index));
      if (type === toWorker.pin) this.checkPin(client, parsePin(batch.payload(index)));
      else {
        const event = eventOf(batch, index);
        const isAgain = (batch.flags(index) & flag.redelivered) !== 0;
        if (event === "adopt") expect(client.outstanding, "adopted in the middle").toEqual([]);
        else expect(isAgain, `${connection.id} ${event}`).toBe(client.lost.has(event));
        client.outstanding.push(event);
      }
    }
    return batch;
  }

  private checkPin(client: Client, pin: PinBody): void {
    expect(client.outstanding, "given to two workers at once").toEqual([]);
    expect(pin.id).toBe(client.connection.id);
    expect(pin.next).toBe(client.committed.length);
    expect(pin.adopted).toBe(client.committed.length > 0);
  }

  /** Everyone does everything that is left to do, until nothing is. */
  finish(): void {
    for (let isBusy = true; isBusy; ) {
      isBusy = false;
      for (const worker of [...this.workers]) {
        isBusy ||= worker.unread.length > 0;
        this.read(worker);
        for (const slot of [...worker.mailboxes.keys()]) {
          worker.run(slot);
          worker.giveBack(slot);
        }
        isBusy ||= worker.said.length > 0;
        this.hear(worker);
      }
    }
  }

  private flush(): void {
    for (const worker of this.workers) worker.peer.link.flush();
  }
}

type Step =
  | { readonly kind: "open" | "activate 1" | "activate 2" | "join 1" | "join 2" }
  | { readonly kind: "close" | "run" | "run and close" | "give back"; readonly client: number }
  | { readonly kind: "message"; readonly client: number; readonly bytes: number }
  | { readonly kind: "drain" | "lose" | "read" | "hear"; readonly worker: number }
  | { readonly kind: "sweep"; readonly ms: number };

function stepOf<Kind extends Step["kind"]>(...kinds: Kind[]) {
  return fc.constantFrom(...kinds);
}
const someone = fc.nat(30);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: stepOf("open") }) },
  { weight: 12, arbitrary: fc.record({ kind: stepOf("message"), client: someone, bytes: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ kind: stepOf("close"), client: someone }) },
  { weight: 1, arbitrary: fc.record({ kind: stepOf("join 1", "join 2") }) },
  { weight: 1, arbitrary: fc.record({ kind: stepOf("activate 1", "activate 2") }) },
  { weight: 1, arbitrary: fc.record({ kind: stepOf("drain", "lose"), worker: someone }) },
  { weight: 14, arbitrary: fc.record({ kind: stepOf("read", "hear"), worker: someone }) },
  { weight: 10, arbitrary: fc.record({ kind: stepOf("run"), client: someone }) },
  { weight: 3, arbitrary: fc.record({ kind: stepOf("give back"), client: someone }) },
  { weight: 1, arbitrary: fc.record({ kind: stepOf("run and close"), client: someone }) },
  { weight: 1, arbitrary: fc.record({ kind: stepOf("sweep"), ms: fc.integer({ min: 1, max: 700 }) }) },
);

function take(stage: Stage, step: Step): void {
  if ("client" in step) {
    const client = stage.clients[step.client % stage.clients.length];
    if (client === undefined) return;
    const { slot } = client.connection;
    if (step.kind === "message") return stage.message(client, `${client.sent.length}`.padEnd(step.bytes, "."));
    if (step.kind === "close") return stage.close(client);
    for (const worker of stage.workers) {
      if (step.kind === "give back") worker.giveBack(slot);
      else worker.run(slot, step.kind === "run and close");
    }
    return;
  }
  if ("worker" in step) {
    const worker = stage.workers[step.worker % stage.workers.length];
    if (worker === undefined) return;
    if (step.kind === "drain") return stage.drain(worker);
    if (step.kind === "lose") return stage.lose(worker);
    return step.kind === "read" ? stage.read(worker) : stage.hear(worker);
  }
  if (step.kind === "sweep") return stage.sweep(step.ms);
  if (step.kind === "open") stage.open();
  else if (step.kind === "join 1" || step.kind === "join 2") stage.join(step.kind.slice(5));
  else stage.activate(step.kind.slice(9));
}

function expectConsistent(stage: Stage): void {
  const open = [...stage.dispatcher.all()];
  expect(stage.dispatcher.parked).toBe(open.reduce((sum, connection) => sum + connection.parked, 0));
  for (const connection of open) {
    const parked = connection.events.slice(connection.delivered);
    expect(connection.parkedBytes).toBe(parked.reduce((sum, { payload }) => sum + payload.length, 0));
    const given = connection.events.slice(0, connection.delivered);
    expect(connection.deliveredBytes).toBe(given.reduce((sum, { payload }) => sum + payload.length, 0));
    expect(connection.delivered).toBeLessThanOrEqual(limits.windowMessages);
    if (parked.length === 0) expect(connection.parkedSince).toBe(0);
  }
  for (const { peer } of stage.workers) {
    expect(peer.pins).toBe(open.filter(({ worker, phase }) => worker === peer && phase === "pinned").length);
  }
  expect(stage.dispatcher.handover.remaining).toBe(open.filter(({ phase }) => phase === "leaving").length);
}

function expectWhole({ sent, committed, brokenWith, isCut, ended, connection }: Client): void {
  expect(ended, `${connection.id} ended`).toBe(1);
  expect([committed[0], committed.at(-1)?.slice(0, 5)]).toEqual(["open", "close"]);
  const messages = committed.slice(1, -1);
  expect(messages).toEqual(brokenWith === undefined && !isCut ? sent : sent.slice(0, messages.length));
}

describe("through any joins, drains, deaths, activations and delays", () => {
  test("every event reaches one worker at a time, in order, once or marked; every connection ends once; every count returns to zero", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 150 }), (steps) => {
        const stage = new Stage();
        stage.activate("1");
        stage.join("1");
        for (const step of steps) {
          take(stage, step);
          expectConsistent(stage);
        }
        stage.activate("1");
        stage.join("1");
        stage.finish();
        for (const client of stage.clients) stage.close(client);
        stage.finish();
        for (const client of stage.clients) expectWhole(client);
        expect([stage.dispatcher.size, stage.dispatcher.parked, stage.dispatcher.handover.remaining]).toEqual([0, 0, 0]);
        expect(stage.workers.map(({ peer }) => peer.pins)).toEqual(stage.workers.map(() => 0));
        expectNothingParked(stage);
      }),
      { numRuns: 600 },
    );
  });

  // What all connections have parked is counted once, for all: it is back at zero where the whole bound is free.
  function expectNothingParked(stage: Stage): void {
    for (const worker of [...stage.workers]) stage.lose(worker);
    const clients = [0, 1, 2, 3].map(() => stage.open());
    for (const client of clients.slice(0, 3)) stage.message(client, "x".repeat(limits.parkedTotalBytes / 3));
    expect(clients.map(({ brokenWith }) => brokenWith)).toEqual([undefined, undefined, undefined, undefined]);
    stage.message(clients[3] as Client, "x");
    expect(clients[3]?.brokenWith).toBe("parked.total");
  }

  test("once all has settled, workers of the active release differ by one connection at most", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constant("open"), fc.constant("join"), fc.nat(20)), { maxLength: 60 }), (steps) => {
        const stage = new Stage();
        stage.activate();
        for (const step of steps) {
          if (step === "open") stage.open();
          else if (step === "join") stage.join();
          else if (typeof step === "number" && stage.clients.length > 0) stage.close(stage.clients[step % stage.clients.length] as Client);
          stage.finish();
        }
        stage.join();
        stage.finish();
        const pins = stage.workers.map(({ peer }) => peer.pins);
        expect(Math.max(...pins) - Math.min(...pins)).toBeLessThanOrEqual(1);
        expect(pins.reduce((sum, count) => sum + count, 0)).toBe(stage.dispatcher.size);
      }),
    );
  });
});
