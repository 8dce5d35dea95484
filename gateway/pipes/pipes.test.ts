import { expect, test } from "vitest";
import { BatchBuilder, decodeBatch, type RecordHead } from "../../protocol/envelope.ts";
import type { Link } from "../../protocol/link.ts";
import { packValue } from "../../protocol/msgpack.ts";
import { toSession, toWebSocket } from "../../protocol/pipe-records.ts";
import { ClientLimits } from "../client-limits.ts";
import { Connection, type Socket } from "../connection.ts";
import { Parking } from "../parking.ts";
import { SessionTopics } from "../sessions/session-topics.ts";
import type { SlowClients } from "../slow-clients.ts";
import { Pipes, type PipesOptions } from "./pipes.ts";

const rate = { messages: 0, bytes: 0, pings: 0 };
const rates = { connection: rate, addressFactor: 1, userFactor: 1, connections: 2, upgrades: 9, failures: 9, requests: 9 };
const body = { key: "k", path: "/p", query: "", ip: "192.0.2.1", subprotocol: "", expiresAt: 0 };

/** A gateway that has the session "k". Another one, "g2", says what it is told to. */
class Stage {
  isFull = false;
  hasBug = false;
  at = 0;
  looks = 0;
  acks = 0;
  /** Another gateway has ended: it has said so, or its supervisor, or whoever has taken its place. */
  gone: (id: string) => void = () => undefined;
  readonly ended: string[] = [];
  readonly bugs: string[] = [];
  readonly sent: string[] = [];
  readonly connections: Connection[] = [];
  readonly closed: Connection[] = [];
  /** As clients that have not read all. */
  readonly noticed: string[] = [];
  /** To the sockets here. */
  readonly written: string[] = [];
  readonly limits = new ClientLimits({ now: () => 0, rates, isExempt: () => false });
  readonly pipes: Pipes;
  private readonly builder = new BatchBuilder();

  constructor() {
    const append = ({ type }: RecordHead, payload: Uint8Array) => this.sent.push(`${type} ${Buffer.from(payload)}`);
    const link = {
      hasCredit: true,
      ackedBatch: 0,
      lastBatch: 1,
      heardAt: 0,
      append,
      probe: () => undefined,
      ackAtFlush: () => this.acks++,
    };
    const clients = {
      admit: (admission) => {
        const connection = new Connection({ ...admission, slot: 0, epoch: 0, id: "c" });
        this.connections.push(connection);
        return connection;
      },
      open: (connection, socket) => {
        connection.socket = socket;
      },
      break: (guest, code) => {
        this.ended.push(`${guest.id} ${code}`);
        if (this.hasBug) throw new Error("break");
      },
      countBug: () => undefined,
      slowClients: { notice: ({ id }) => this.noticed.push(id) } as Partial<SlowClients> as SlowClients,
      meetBug: ({ id }, error) => this.ended.push(`${id} ${error}`),
      receive: () => {
        throw new Error("receive");
      },
      closed: (connection) => {
        this.closed.push(connection);
        if (this.hasBug) throw new Error("closed");
        if (connection.meter !== undefined) this.limits.close(connection.meter);
      },
      limits: this.limits,
    } as Partial<PipesOptions["clients"]> as PipesOptions["clients"];
    const limits = { parkedMessages: 9, parkedBytes: 999, parkedTotalBytes: 9_999, fenceMs: 9_000, parkMs: 6_000 };
    this.pipes = new Pipes({
      ...{ id: "g1", clients, topics: new SessionTopics(), publishToSockets: () => undefined },
      hub: { open: () => link as Partial<Link> as Link, close: () => undefined },
      peers: {
        levelOf: () => 2,
        onGone: (listener) => {
          this.gone = listener;
        },
      },
      sessions: {
        isOpen: (key) => key === "k",
        openBeside: () => undefined,
        moves: { closed: () => undefined } as Partial<PipesOptions["sessions"]["moves"]> as PipesOptions["sessions"]["moves"],
      },
      dispatcher: { parking: new Parking(limits), route: () => undefined },
      settings: { config: { BACKPRESSURE_BYTES: 999, MESSAGE_BYTES: 99 }, dispatch: limits } as unknown as PipesOptions["settings"],
      ...{ isDraining: () => false, isFull: () => this.isFull, now: () => this.at, later: (run) => run() },
      isConnected: () => {
        this.looks++;
        return true;
      },
      onBug: (error) => this.bugs.push(String(error)),
    });
  }

  hear(...records: ReadonlyArray<Partial<RecordHead> & { type: number; payload?: Uint8Array }>): void {
    for (const { payload = new Uint8Array(0), ...head } of records) {
      this.builder.append({ flags: 0, extra: 0, slot: 1, epoch: 0, ...head }, payload);
    }
    const header = { from: "g2", to: "g1", session: 1, peerSession: 1, seq: 1, ack: 0, gap: false };
    this.pipes.received("g2", decodeBatch(this.builder.seal(header)));
  }

  /** A WebSocket here, for a session of "g2". @returns how often it was asked for what its client has not read. */
  add(waitingBytes = 0, send: (data: Uint8Array) => void = () => undefined): { asked: number } {
    const looks = { asked: 0 };
    const socket = {
      cork: (write: () => void) => {
        this.written.push("cork");
        write();
        this.written.push("uncork");
      },
      end: (code: number, reason: string) => this.written.push(`end ${code} ${reason}`),
      send,
      ping: () => undefined,
      get waitingBytes() {
        looks.asked++;
        return waitingBytes;
      },
    };
    this.pipes.add("g2", { ...body, user: undefined, state: undefined }).opened(socket as unknown as Socket);
    return looks;
  }

  open(slot: number, { key = "k" } = {}): void {
    this.hear({ type: toSession.open, slot, payload: packValue({ ...body, key }) });
  }
}

test("a WebSocket of another gateway has its place at its address, and is refused where there is none", () => {
  const stage = new Stage();
  stage.open(1);
  stage.open(2);
  const { meter } = stage.connections[1] ?? {};
  expect(meter?.address.connections).toBe(2);
  stage.open(3);
  expect(stage.sent).toEqual([`${toWebSocket.end} address.connections`]);
  expect(stage.limits.passed).toEqual({ "address connections": 1 });
  stage.hear({ type: toSession.closed, slot: 2, extra: 1000 });
  expect(meter?.address.connections).toBe(1);
  stage.isFull = true;
  stage.open(4);
  stage.open(5, { key: "other" });
  expect(stage.sent.slice(1)).toEqual([`${toWebSocket.end} gateway.full`, `${toWebSocket.end} session.unknown`]);
  expect(stage.connections).toHaveLength(2);
});

test("of those who read slowly, a batch looks at none but those that it is for", () => {
  const stage = new Stage();
  const slow = stage.add(5);
  const other = stage.add();
  stage.hear({ type: toWebSocket.frame, slot: 1 });
  expect([slow.asked, other.asked]).toEqual([1, 0]);
  for (let batch = 0; batch < 3; batch++) stage.hear({ type: toWebSocket.frame, slot: 2 });
  expect([slow.asked, other.asked]).toEqual([1, 3]);
  stage.pipes.sweep();
  expect([slow.asked, other.asked]).toEqual([2, 3]);
  // At its own gateway, too, it has a part in what may wait for all.
  expect(new Set(stage.noticed)).toEqual(new Set(["g1:pipe-1"]));
});

test("whether the other gateway is quiet is asked once for all of its clients; it ends those alone that wait for it", () => {
  const stage = new Stage();
  for (let count = 0; count < 100; count++) stage.add();
  stage.pipes.sweep();
  expect(stage.looks).toBeLessThan(10);
  [...stage.pipes.clients][6]?.receive(new Uint8Array(1), true);
  stage.at = 6_000;
  stage.pipes.sweep();
  expect(stage.ended).toEqual(["g1:pipe-7 nats.away"]);
  stage.at = 9_000;
  stage.pipes.sweep();
  expect(stage.ended).toHaveLength(101);
});

test("what there is a bound for is acknowledged at once, and nothing else", () => {
  const stage = new Stage();
  stage.add();
  const { alive, waits, message } = toSession;
  for (const type of [alive, waits, toWebSocket.ping]) stage.hear({ type });
  expect(stage.acks).toBe(0);
  stage.hear({ type: alive }, { type: message });
  stage.hear({ type: toWebSocket.frame }, { type: toWebSocket.ping });
  expect(stage.acks).toBe(2);
});

test("a bug ends the pipe that it meets, since that misses something, and no other of its batch", () => {
  const stage = new Stage();
  const sent: number[] = [];
  stage.add(0, () => {
    throw new Error("send");
  });
  stage.add(0, () => void sent.push(2));
  stage.hear({ type: toWebSocket.frame, slot: 1 }, { type: toWebSocket.frame, slot: 2 });
  expect(stage.ended.splice(0)).toEqual(["g1:pipe-1 connection.bug"]);
  expect(sent).toEqual([2]);
  stage.open(1);
  stage.sent.length = 0;
  stage.hear({ type: toSession.message, slot: 1 }, { type: toSession.open, slot: 2, payload: packValue({ key: 7 }) });
  expect(stage.ended).toEqual(["c Error: receive"]);
  expect(stage.sent).toEqual([`${toWebSocket.end} connection.bug`]);
  expect(stage.bugs).toHaveLength(1);
});

test("of a gateway that is known to have ended, nothing is waited for: not even by one that ends as well", () => {
  const stage = new Stage();
  stage.add();
  stage.open(1);
  const [client] = stage.pipes.clients;
  if (client !== undefined) client.intake = "closing";
  stage.hear({ type: toSession.leave, slot: 1 });
  expect(stage.pipes.isBusy).toBe(true);
  stage.gone("g2");
  expect(stage.ended).toEqual(["g1:pipe-1 gateway.lost"]);
  client?.closed({ code: 1012, reason: new Uint8Array(0), isSlow: false });
  expect(stage.closed).toEqual(stage.connections);
  expect(stage.pipes.isBusy).toBe(false);
});

test("what a batch has for a socket leaves together, in order, however it is mixed with that of others; its end not under a cork", () => {
  const stage = new Stage();
  const write = (name: string) => (data: Uint8Array) => void stage.written.push(`${name} ${Buffer.from(data)}`);
  stage.add(0, write("a"));
  stage.add(0, write("b"));
  const frame = (slot: number, text: string) => ({ type: toWebSocket.frame, slot, payload: Buffer.from(text) });
  stage.hear(
    frame(1, "1"),
    frame(2, "1"),
    { type: toWebSocket.ping, slot: 1 },
    frame(1, "2"),
    { type: toWebSocket.end, slot: 1, extra: 4000, payload: Buffer.from("enough") },
    frame(3, "nobody's"),
  );
  expect(stage.written).toEqual(["cork", "a 1", "a 2", "uncork", "end 4000 enough", "b 1"]);
});

test("where one pipe of a gateway that is lost meets a bug, the others end all the same", () => {
  const stage = new Stage();
  for (const number of [1, 2]) {
    stage.add();
    stage.open(number);
  }
  stage.hasBug = true;
  stage.pipes.lost("g2");
  expect(stage.closed).toEqual(stage.connections);
  expect(stage.ended).toEqual(["g1:pipe-1 gateway.lost", "g1:pipe-2 gateway.lost"]);
  expect(stage.bugs).toHaveLength(4);
});
