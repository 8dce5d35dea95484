import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connectBus } from "../nats/connection.ts";
import type { Bus } from "../protocol/bus.ts";
import { type Batch, BatchBuilder, decodeBatch } from "../protocol/envelope.ts";
import { Link } from "../protocol/link.ts";
import { packValue } from "../protocol/msgpack.ts";
import {
  decodePublished,
  encodePublish,
  encodePublishExcept,
  encodePublishKept,
  encodeSetTimer,
  encodeSubscribeAfter,
} from "../protocol/payloads.ts";
import { flag, toGateway, toWorker } from "../protocol/records.ts";
import { compileRoutes } from "../protocol/route-table.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import { encodeTogether } from "../protocol/together.ts";
import { startNats, type TestNats } from "../test/nats.ts";
import { Commits } from "./commit.ts";
import { Connection, pinBodyOf, type Socket } from "./connection.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Heartbeats } from "./heartbeats.ts";
import { History } from "./history/history.ts";
import { MemoryStore } from "./history/memory-store.ts";
import { HookSubscribers } from "./hook-subscribers.ts";
import { Members } from "./members.ts";
import { PacedInterest } from "./paced-interest.ts";
import { Timers } from "./timers.ts";
import { type PublishHere, Topics } from "./topics.ts";
import { WorkerPeer } from "./worker-peer.ts";

const headAndTail = encodeTogether([
  { data: Buffer.from("head"), isBinary: false },
  { data: Buffer.from("tail"), isBinary: true },
]);

let nats: TestNats;
let bus: Bus;
let stage: Stage;

beforeAll(async () => {
  nats = await startNats();
  bus = await connectBus({ url: nats.url, name: "commit.test", onEvent: () => undefined });
});

afterAll(async () => {
  await bus.close();
  await nats.stop();
});

beforeEach(() => {
  stage = new Stage();
});

afterEach(async () => {
  // Nothing that a test began goes on into the next one.
  await stage.confirmed();
});

/** A WebSocket that writes down what is asked of it. */
class PlayedSocket implements Socket {
  readonly log: string[] = [];
  /** Where it throws, as one that has closed does. */
  isBroken = false;
  readonly topics = new Set<string>();
  private readonly listeners: { onEnd(code: number): void; onSubscribe(topic: string): void };

  constructor(listeners: PlayedSocket["listeners"]) {
    this.listeners = listeners;
  }

  send(payload: Uint8Array, isBinary: boolean): void {
    if (this.isBroken) throw new Error("this socket is broken");
    this.log.push(`${isBinary ? "binary" : "text"} ${Buffer.from(payload)}`);
  }

  end(code: number, reason: string): void {
    this.log.push(`end ${code} ${reason}`);
    this.listeners.onEnd(code);
  }

  readonly waitingBytes = 0;

  cut(): void {
    this.log.push("cut");
    this.listeners.onEnd(1006);
  }

  cork(write: () => void): void {
    this.log.push("cork");
    write();
    this.log.push("uncork");
  }

  subscribe(topic: string): void {
    this.log.push(`subscribe ${topic}`);
    this.listeners.onSubscribe(topic);
    this.topics.add(topic);
  }

  unsubscribe(topic: string): void {
    this.log.push(`unsubscribe ${topic}`);
    this.topics.delete(topic);
  }

  ping(): void {
    this.log.push("ping");
  }

  isSubscribed(topic: string): boolean {
    return this.topics.has(topic);
  }

  publish(topic: string, payload: Uint8Array): void {
    this.log.push(`publish ${topic} ${Buffer.from(payload)}`);
  }
}

interface Client {
  readonly connection: Connection;
  readonly socket: PlayedSocket;
}

interface Group {
  readonly effects: ReadonlyArray<readonly [type: number, payload?: string | Uint8Array, flags?: number, extra?: number]>;
  /** How the group ends; a commit where nothing is said. */
  readonly end?: number;
}

let namespaces = 0;

/** The real commits, dispatcher and topics, on a real bus; one worker and the sockets are played. */
class Stage {
  readonly connections: Array<Connection | undefined> = [];
  readonly dispatcher: Dispatcher;
  readonly topics: Topics;
  readonly members = new Members({ wallClock: () => 1, limits: { bytes: 1_000 } });
  readonly store = new MemoryStore();
  readonly hooks = new HookSubscribers({
    later: (run) => void this.ticks.push(run),
    park: (connection, event) => this.dispatcher.arrived(connection, event),
    passed: (connection) => this.dispatcher.parking.passed(connection),
    close: (connection, code) => this.dispatcher.breakOff(connection, code),
    onBug: (_connection, error) => {
      throw error;
    },
  });
  readonly timers = new Timers({
    now: () => this.nowMs,
    later: (run) => run(),
    after: (_ms, run) => void this.ticks.push(run),
    limits: { timers: 2 },
    waiting: () => this.dispatcher.parking.timers,
    park: (connection, event) => this.dispatcher.arrived(connection, event),
    onBug: (_connection, error) => {
      throw error;
    },
  });
  readonly heartbeats = new Heartbeats({
    now: () => this.nowMs,
    later: (run) => run(),
    after: (_ms, run) => void this.ticks.push(run),
    onBug: (_connection, error) => {
      throw error;
    },
  });
  nowMs = 1;
  /** What waits for time to pass. */
  readonly ticks: Array<() => void> = [];
  readonly commits: Commits;
  readonly worker: WorkerPeer;
  readonly other: WorkerPeer;
  readonly given: Batch[] = [];
  readonly publishedHere: string[] = [];
  readonly bugs: Array<{ id: string; error: unknown }> = [];
  /** How many subscriptions NATS had confirmed when a socket subscribed to a topic. */
  readonly confirmationsBefore = new Map<string, number>();
  private confirmations = 0;

  constructor() {
    const publishHere: PublishHere = (topic, payload, isBinary, except = []) => {
      this.publishedHere.push(`${topic} ${Buffer.from(payload)} ${except.join()}`.trimEnd());
      this.hooks.publish(topic, payload, isBinary, except);
    };
    const history = new History({
      self: "g",
      store: this.store,
      flush: () => this.topics.flush(),
      now: () => this.nowMs,
      wallClock: () => this.nowMs,
      after: (_ms, run) => void this.ticks.push(run),
      isConnected: () => true,
      publishHere,
      wantedAt: (topic) => this.topics.wantedAt(topic),
      limits: { pendingBytes: 1_000, cacheBytes: 1_000, readBytes: 1_000 },
    });
    this.topics = new Topics({
      self: "g",
      bus: Object.assign(Object.create(bus) as Bus, { flush: () => this.flush() }),
      subjects: subjectsOf(`commit-${++namespaces}`),
      publishHere,
      kept: history.topics,
      onBegun: () => undefined,
      wallClock: Date.now,
      now: () => 1,
      later: () => undefined,
      limits: { batchBytes: 4_096, externalBytes: 4_096, ringBytes: 4_096 },
    });
    this.dispatcher = new Dispatcher({
      connections: () => this.connections.filter((connection) => connection !== undefined),
      limits: {
        windowMessages: 100,
        windowBytes: 10_000,
        parkedMessages: 100,
        parkedBytes: 10_000,
        parkedTotalBytes: 10_000,
        parkMs: 1_000,
        fenceMs: 10_000,
        forgottenMs: 12_000,
      },
      now: () => 1,
      later: () => undefined,
      onBreak: ({ socket }, code) => socket?.end(1011, code),
      onEnd: (connection) => {
        this.connections[connection.slot] = undefined;
      },
      onCandidates: () => undefined,
      onPoison: () => undefined,
      onBug: (_connection, error) => {
        throw error;
      },
    });
    this.commits = new Commits({
      sessions: () => ({ pause: () => undefined, move: () => undefined }),
      locks: { size: 0, keep: () => undefined, release: () => undefined, commit: () => undefined },
      connections: this.connections,
      dispatcher: this.dispatcher,
      topics: this.topics,
      interest: new PacedInterest({
        topics: this.topics,
        limits: { topics: 100, subscriptions: 100 },
        now: () => 1,
        later: (run) => setImmediate(run),
        after: (ms, run) => setTimeout(run, ms),
      }),
      members: this.members,
      hooks: this.hooks,
      history,
      publishHere: history.publishHere,
      onNotKept: ({ socket }, code) => socket?.end(1013, code),
      timers: this.timers,
      heartbeats: this.heartbeats,
      onNoRoom: ({ socket }, code) => socket?.end(1013, code),
      onTooManyTopics: ({ socket }) => socket?.end(1013, "topics.total"),
      onError: () => undefined,
      onIdentity: () => undefined,
      onMessages: ({ socket }, more) => void (socket as PlayedSocket).log.push(`${more} messages more`),
      onBug: (connection, error) => {
        this.bugs.push({ id: connection.id, error });
        this.dispatcher.broken(connection);
      },
    });
    this.worker = this.newWorker("w1");
    this.other = this.newWorker("w2");
    this.dispatcher.activate({ release: "1", generation: 1 });
    this.dispatcher.joined(this.worker);
  }

  private async flush(): Promise<void> {
    await bus.flush();
    this.confirmations++;
  }

  newWorker(id: string, path = "/a", release = "1"): WorkerPeer {
    const link = new Link({
      self: "g",
      peer: id,
      session: 1,
      now: () => 1,
      transmit: (bytes) => this.given.push(decodeBatch(bytes)),
      onBegun: () => undefined,
      onCredit: () => undefined,
      onLost: () => undefined,
    });
    const routes = [{ path, subprotocols: [], upgrades: false, answers: false, adopts: false, publishes: true }];
    return new WorkerPeer({ id, release, table: compileRoutes(routes), link, now: 1 });
  }

  /** A connection that is open and has sent `messages`, all with the worker. */
  open(...messages: string[]): Client {
    const slot = this.connections.length;
    const connection = new Connection({
      ...{ slot, epoch: 0, id: `c${slot}`, path: "/a" },
      ...{ query: "", ip: "", user: undefined, subprotocol: "", state: undefined },
    });
    const socket = new PlayedSocket({
      onEnd: (code) => this.dispatcher.closed(connection, code, new Uint8Array(0)),
      onSubscribe: (topic) => this.confirmationsBefore.set(topic, this.confirmations),
    });
    connection.socket = socket;
    this.connections.push(connection);
    this.dispatcher.opened(connection);
    for (const message of messages) this.dispatcher.received(connection, Buffer.from(message), false);
    return { connection, socket };
  }

  /** What a worker says of one pin, all in one batch. */
  groupsOf({ connection }: Client, ...groups: Group[]): Say {
    return { slot: connection.slot, epoch: connection.epoch, groups };
  }

  /** The worker says something, in one batch. */
  say(says: readonly Say[], worker = this.worker): void {
    const builder = new BatchBuilder();
    for (const { slot, epoch, groups } of says) {
      for (const { effects, end } of groups) {
        const list = effects.length === 0 ? [[toGateway.nothing] as const] : effects;
        for (const [index, [type, payload = "", flags = 0, extra = 0]] of list.entries()) {
          const ending = index === list.length - 1 ? (end ?? flag.commit) : 0;
          builder.append({ type, flags: flags | ending, extra, slot, epoch }, Buffer.from(payload));
        }
      }
    }
    const batch = decodeBatch(builder.seal({ from: worker.id, to: "g", session: 1, peerSession: 1, seq: 1, ack: 0, gap: false }));
    for (let index = 0; index < batch.records; ) index = this.commits.apply(worker, batch, index);
  }

  /** NATS has confirmed what was subscribed to until now, and what waited for it has been applied. */
  async confirmed(): Promise<void> {
    // It is asked at the end of this step of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    await bus.flush();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

interface Say {
  readonly slot: number;
  readonly epoch: number;
  readonly groups: readonly Group[];
}

const released: Group = { effects: [[toGateway.released]], end: 0 };

describe("a turn's effects", () => {
  test("reach the socket under one cork, in order, and its event is done", () => {
    const client = stage.open();
    stage.say([
      stage.groupsOf(client, {
        effects: [
          [toGateway.send, "a"],
          [toGateway.send, "b", flag.binary],
        ],
      }),
    ]);
    expect(client.socket.log).toEqual(["cork", "text a", "binary b", "uncork"]);
    expect(client.connection.events).toEqual([]);
    expect(stage.commits.counters).toEqual({ commits: 1, refused: 0, messagesOut: 2, bytesOut: 2, unknownEffects: 0 });
  });

  test("of several turns of one connection share a cork; a record alone needs none", () => {
    const first = stage.open("m");
    const second = stage.open();
    stage.say([
      stage.groupsOf(first, { effects: [[toGateway.send, "a"]] }, { effects: [[toGateway.send, "b"]] }),
      stage.groupsOf(second, { effects: [[toGateway.send, "c"]] }),
    ]);
    expect(first.socket.log).toEqual(["cork", "text a", "text b", "uncork"]);
    expect(second.socket.log).toEqual(["text c"]);
    expect(stage.commits.counters.commits).toBe(3);
  });

  test("may be none", () => {
    const client = stage.open();
    stage.say([stage.groupsOf(client, { effects: [] })]);
    expect(client.connection.firstEvent).toBe(1);
  });

  describe("with a topic whose messages go to the handler", () => {
    /** Of the events after its first one, whose turn is not done. */
    const heard = ({ connection }: Client) =>
      connection.events
        .filter(({ type }) => type === toWorker.published)
        .map(({ payload, isBinary }) => {
          const { topic, data } = decodePublished(Buffer.from(payload));
          return `${isBinary ? "binary" : "text"} ${topic} ${data}`;
        });
    const publish = (text: string): [number, Uint8Array] => [toGateway.publish, encodePublish("t", Buffer.from(text))];

    test("make what others publish its events, once NATS has the subscription, and its own with `self` alone", async () => {
      const [reader, writer] = [stage.open("m", "m", "m"), stage.open("m", "m")];
      stage.say([stage.groupsOf(reader, { effects: [[toGateway.subscribeHook, "t"]] })]);
      stage.say([stage.groupsOf(writer, { effects: [publish("too early")] })]);
      expect(reader.connection.topics).toBeUndefined();
      await stage.confirmed();
      stage.say([
        stage.groupsOf(reader, { effects: [publish("own")] }, { effects: [[...publish("self"), flag.self]] }),
        stage.groupsOf(writer, { effects: [[...publish("a"), flag.binary]] }, { effects: [publish("b")] }),
      ]);
      expect(heard(reader)).toEqual(["text t self", "binary t a", "text t b"]);
      expect(reader.socket.log).toEqual(["cork", "uncork"]);
      expect(pinBodyOf(reader.connection)).toMatchObject({ topics: ["t"], hooked: ["t"] });
    });

    test("and with a subscriber that publishes: its socket does it for the others, and the handlers get it, too", async () => {
      const [reader, writer] = [stage.open("m"), stage.open("m", "m")];
      stage.say([stage.groupsOf(writer, { effects: [[toGateway.subscribe, "t"]] })]);
      stage.say([stage.groupsOf(reader, { effects: [[toGateway.subscribeHook, "t"]] })]);
      await stage.confirmed();
      stage.say([stage.groupsOf(writer, { effects: [publish("a")] })]);
      expect([writer.socket.log.at(-1), heard(reader)]).toEqual(["publish t a", ["text t a"]]);
    });

    test("change it to its client's and back, and leave it", async () => {
      const [reader, writer] = [stage.open("m", "m", "m", "m"), stage.open("m", "m", "m")];
      const turns = async (type: number, text: string) => {
        stage.say([stage.groupsOf(reader, { effects: [[type, "t"]] })]);
        await stage.confirmed();
        stage.say([stage.groupsOf(writer, { effects: [publish(text)] })]);
      };
      await turns(toGateway.subscribe, "a");
      await turns(toGateway.subscribeHook, "b");
      expect([heard(reader), reader.socket.log.splice(0)]).toEqual([["text t b"], ["subscribe t", "ping", "unsubscribe t"]]);
      await turns(toGateway.subscribe, "c");
      expect([heard(reader), reader.socket.log.splice(0)]).toEqual([["text t b"], ["subscribe t"]]);
      await turns(toGateway.subscribeHook, "d");
      await turns(toGateway.unsubscribe, "e");
      expect([heard(reader), stage.topics.size, stage.hooks.has(reader.connection, "t")]).toEqual([["text t b", "text t d"], 0, false]);
    });
  });

  test("make a member, unless all members together tell too much: then it is closed, and the rest of its turn counts", async () => {
    const tell = (info: string): [number, Uint8Array] => [toGateway.member, encodePublish("t", Buffer.from(info))];
    const [first, second] = [stage.open(), stage.open()];
    stage.say([stage.groupsOf(first, { effects: [[toGateway.subscribe, "t"], tell('"Ada"')] })]);
    await stage.confirmed();
    const bye: [number, Uint8Array] = [toGateway.publish, encodePublish("t", Buffer.from("bye"))];
    stage.say([stage.groupsOf(second, { effects: [[toGateway.subscribe, "t"], tell(JSON.stringify("x".repeat(900))), bye] })]);
    await stage.confirmed();
    expect(second.socket.log.at(-1)).toBe("end 1013 members.total");
    expect(stage.publishedHere).toContain("t bye");
    expect(stage.members.list("t", 0)).toMatchObject({ ids: [first.connection.id], info: ['"Ada"'] });
    // Of a topic that it does not subscribe to, it is none.
    stage.say([stage.groupsOf(first, { effects: [[toGateway.unsubscribe, "t"], tell('"again"')] })]);
    expect(stage.members.list("t", 0).ids).toEqual([]);
  });

  test("set no more timers than there is room for; one that replaces another takes none", () => {
    const set = (number: number, name: string): [number, Uint8Array] => [toGateway.timer, encodeSetTimer(1_000, number, name)];
    const [first, second] = [stage.open(), stage.open()];
    stage.say([stage.groupsOf(first, { effects: [set(1, "a"), set(2, "a"), set(3, "b")] })]);
    stage.say([stage.groupsOf(first, { effects: [set(4, "a"), set(5, "b")] })]);
    stage.say([stage.groupsOf(second, { effects: [set(1, "c")] })]);
    expect([first.connection.intake, stage.timers.size]).toEqual(["open", 2]);
    expect(second.socket.log).toEqual(["end 1013 timers.total"]);
  });

  test("set a heartbeat, and end it", () => {
    const client = stage.open("m");
    const heartbeat = packValue({ every: 100, send: "2" });
    const [first, last] = [[toGateway.send, "0"] as const, [toGateway.send, "1"] as const];
    stage.say([stage.groupsOf(client, { effects: [first, [toGateway.heartbeat, heartbeat], last] })]);
    // It is one of its turn's.
    expect(client.socket.log).toEqual(["cork", "text 0", "text 1", "uncork"]);
    expect([stage.heartbeats.size, stage.commits.counters.unknownEffects]).toEqual([1, 0]);
    stage.say([stage.groupsOf(client, { effects: [[toGateway.heartbeat]] })]);
    expect([stage.heartbeats.size, stage.bugs]).toEqual([0, []]);
  });

  test("count messages behind all of them, not under their cork: they may be too many", () => {
    const client = stage.open();
    const [first, last] = [[toGateway.send, "a"] as const, [toGateway.send, "b"] as const];
    stage.say([
      stage.groupsOf(client, { effects: [[toGateway.countMessages, "", 0, 2], first, [toGateway.countMessages, "", 0, 3], last] }),
    ]);
    expect(client.socket.log).toEqual(["cork", "text a", "text b", "uncork", "5 messages more"]);
  });

  test("count messages before they close their connection: a fault of its client counts only while that is there", () => {
    const client = stage.open();
    const count = (more: number) => [toGateway.countMessages, "", 0, more] as const;
    stage.say([stage.groupsOf(client, { effects: [count(2), [toGateway.send, "a"], [toGateway.close, "bye", 0, 4_000]] })]);
    expect(client.socket.log).toEqual(["cork", "text a", "uncork", "2 messages more", "end 4000 bye"]);
  });

  test("end a stay, by a flush, too, behind the commit that follows, and not under its cork", () => {
    const client = stage.open("m");
    stage.say([stage.groupsOf(client, { effects: [[toGateway.stay, "", 0, 5_000]] })]);
    stage.dispatcher.activate({ release: "2", generation: 2 });
    stage.dispatcher.joined(stage.newWorker("w3", "/b", "2"));
    stage.say([stage.groupsOf(client, { effects: [[toGateway.stay]], end: flag.flush })]);
    expect(client.socket.log).toEqual([]);
    const [first, last] = [[toGateway.send, "a"] as const, [toGateway.send, "b"] as const];
    stage.say([stage.groupsOf(client, { effects: [first, last] })]);
    expect(client.socket.log).toEqual(["cork", "text a", "text b", "uncork", "end 1011 route.removed"]);
  });

  test("end a stay behind all of them, also where nobody serves its route any more", () => {
    const client = stage.open("m");
    stage.say([stage.groupsOf(client, { effects: [[toGateway.stay, "", 0, 5_000]] })]);
    stage.dispatcher.activate({ release: "2", generation: 2 });
    stage.dispatcher.joined(stage.newWorker("w3", "/b", "2"));
    const last = [toGateway.send, "last words"] as const;
    stage.say([stage.groupsOf(client, { effects: [[toGateway.stay], last] })]);
    expect(client.socket.log.filter((line) => !line.includes("cork"))).toEqual(["text last words", "end 1011 route.removed"]);
  });

  test("on a connection that has closed meanwhile still count", () => {
    const client = stage.open();
    client.socket.end(1000, "");
    stage.say([
      stage.groupsOf(
        client,
        {
          effects: [
            [toGateway.send, "a"],
            [toGateway.subscribe, "t"],
            [toGateway.state, "s"],
          ],
        },
        { effects: [[toGateway.publish, encodePublish("t", Buffer.from("bye"))]] },
      ),
    ]);
    return stage.confirmed().then(() => {
      expect(stage.publishedHere).toEqual(["t bye"]);
      expect([stage.dispatcher.size, stage.topics.size]).toEqual([0, 0]);
    });
  });
});

describe("a commit is refused, and nothing of it happens,", () => {
  test.each<[string, (client: Client) => void]>([
    ["of another worker", (client) => stage.say([stage.groupsOf(client, { effects: [[toGateway.send, "a"]] })], stage.other)],
    ["of an epoch that is over", (client) => stage.say([{ ...stage.groupsOf(client, { effects: [[toGateway.send, "a"]] }), epoch: 0 }])],
    ["of a slot that nobody has", (client) => stage.say([{ ...stage.groupsOf(client, { effects: [[toGateway.send, "a"]] }), slot: 9 }])],
    [
      "of a worker that was declared dead",
      (client) => {
        const said = stage.groupsOf(client, { effects: [[toGateway.send, "a"]] });
        stage.dispatcher.lost(stage.worker, "left");
        stage.say([said]);
      },
    ],
  ])("%s", (_, say) => {
    const client = stage.open();
    say(client);
    expect(client.socket.log).toEqual([]);
    expect(client.connection.events.length).toBe(1);
    expect(stage.commits.counters).toMatchObject({ commits: 0, refused: 1 });
  });

  test("and a flush is answered, so that its turn does not wait in vain", () => {
    const client = stage.open("one");
    stage.worker.link.flush();
    stage.given.length = 0;
    const { slot, epoch } = client.connection;
    const flush = { effects: [[toGateway.send, "late"] as const], end: flag.flush };
    stage.say([
      { slot, epoch: epoch + 7, groups: [flush] },
      { slot: 99, epoch: 1, groups: [flush, { effects: [] }] },
    ]);
    stage.worker.link.flush();
    const [answer] = stage.given;
    expect([0, 1].map((index) => [answer?.type(index), answer?.slot(index), answer?.epoch(index)])).toEqual([
      [toWorker.refused, slot, epoch + 7],
      [toWorker.refused, 99, 1],
    ]);
    expect(answer?.records).toBe(2);
    expect(client.socket.log).toEqual([]);
  });

  test("and what follows it in the batch is applied", () => {
    const client = stage.open();
    const send: Group = { effects: [[toGateway.send, "a"]] };
    stage.say([{ slot: 9, epoch: 1, groups: [send, send] }, stage.groupsOf(client, send)]);
    expect(client.socket.log).toEqual(["text a"]);
    expect(stage.commits.counters).toMatchObject({ commits: 1, refused: 1 });
  });
});

describe("an effect", () => {
  test("state is kept as bytes of its own; empty is none", () => {
    const client = stage.open("m");
    stage.say([stage.groupsOf(client, { effects: [[toGateway.state, "state"]] })]);
    expect(Buffer.from(client.connection.state.current ?? []).toString()).toBe("state");
    expect(client.connection.state.current?.buffer.byteLength).toBe(5);
    stage.say([stage.groupsOf(client, { effects: [[toGateway.state]] })]);
    expect(client.connection.state.current).toBeUndefined();
  });

  test("publish reaches everyone but its connection, and that too where it is asked for", async () => {
    const client = stage.open("m", "n");
    const publish = (flags: number): Group => ({ effects: [[toGateway.publish, encodePublish("t", Buffer.from("x")), flags]] });
    stage.say([stage.groupsOf(client, { effects: [[toGateway.subscribe, "t"]] })]);
    await stage.confirmed();
    stage.say([stage.groupsOf(client, publish(0), publish(flag.self))]);
    expect(client.socket.log.slice(1)).toEqual(["cork", "publish t x", "uncork"]);
    expect(stage.publishedHere).toEqual(["t x"]);
    expect(stage.topics.counters.published).toBe(2);
  });

  test("frames together reach the socket one behind the other, in their place among the turn's sends", () => {
    const client = stage.open("m");
    const [first, last] = [[toGateway.send, "first"] as const, [toGateway.send, "last"] as const];
    stage.say([stage.groupsOf(client, { effects: [first, [toGateway.sendTogether, headAndTail], last] })]);
    const log = client.socket.log.filter((entry) => !entry.includes("cork"));
    expect(log).toEqual(["text first", "text head", "binary tail", "text last"]);
    stage.say([stage.groupsOf(client, { effects: [[toGateway.sendTogether, headAndTail]] })]);
    expect(client.socket.log.slice(-4)).toEqual(["cork", "text head", "binary tail", "uncork"]);
    expect(stage.bugs).toEqual([]);
  });

  test("frames together are published in one go, and to other gateways as one; not to those who are left out", async () => {
    const client = stage.open();
    stage.say([stage.groupsOf(client, { effects: [[toGateway.publishTogether, encodePublishExcept("t", headAndTail, ["x"])]] })]);
    expect(stage.publishedHere).toEqual([`t head x,${client.connection.id}`, `t tail x,${client.connection.id}`]);
    const self = [toGateway.publishTogether, encodePublishExcept("t", headAndTail, []), flag.self] as const;
    stage.say([stage.groupsOf(client, { effects: [self] })]);
    expect(stage.publishedHere.slice(2)).toEqual(["t head", "t tail"]);
    expect(stage.topics.counters.published).toBe(2);
  });

  test("frames together wait behind what their connection has published before to be kept, and stay together", async () => {
    const client = stage.open("m");
    const retention = { messages: 9, seconds: 9 };
    const kept = encodePublishKept("t", Buffer.from("kept"), retention, []);
    const all = encodePublishExcept("t", headAndTail, []);
    const others = [[toGateway.publish, encodePublish("t", Buffer.from("last")), flag.self] as const];
    stage.say([
      stage.groupsOf(client, { effects: [[toGateway.publishKept, kept], [toGateway.publishTogether, all, flag.self], ...others] }),
    ]);
    expect(stage.publishedHere).toEqual([]);
    await stage.confirmed();
    expect(stage.publishedHere).toEqual(["t head", "t tail", "t last"]);
  });

  test("frames together that do not come apart cost their connection, and nothing of them happens", () => {
    const [first, second] = [stage.open(), stage.open()];
    const broken = headAndTail.subarray(0, headAndTail.length - 1);
    stage.say([stage.groupsOf(first, { effects: [[toGateway.sendTogether, broken]] })]);
    stage.say([stage.groupsOf(second, { effects: [[toGateway.publishTogether, encodePublishExcept("t", broken, [])]] })]);
    expect([first.socket.log.filter((entry) => entry.startsWith("text")), stage.publishedHere]).toEqual([[], []]);
    expect(stage.bugs.map(({ id }) => id)).toEqual([first.connection.id, second.connection.id]);
  });

  test("publish of one that is no subscriber reaches every subscriber", () => {
    const client = stage.open();
    stage.say([stage.groupsOf(client, { effects: [[toGateway.publish, encodePublish("t", Buffer.from("x"))]] })]);
    expect(stage.publishedHere).toEqual(["t x"]);
  });

  test("subscriptions with after that follow each other bring what their topics keep as it was stored; others wait for their place", async () => {
    const client = stage.open("m");
    const add = async (topic: string, text: string) => {
      const entry = { id: `${topic} ${text}`, topic, data: Buffer.from(text), isBinary: false, except: [], triedMs: 0 };
      await stage.store.append({ ...entry, retention: { messages: 10, seconds: 10 } });
    };
    for (const [index, topic] of ["a", "b", "c", "a", "b", "c", "a"].entries()) await add(topic, String(index + 1));
    const behind = (topic: string) => [toGateway.subscribeAfter, encodeSubscribeAfter(topic, "e:1")] as const;
    const told = [toGateway.member, encodePublish("a", Buffer.from("{}"))] as const;
    stage.say([
      stage.groupsOf(client, { effects: [behind("a"), told, behind("b"), [toGateway.send, "between"], behind("c"), behind("a")] }),
    ]);
    await stage.confirmed();
    const log = client.socket.log.filter((line) => !line.includes("cork"));
    expect(log).toEqual([
      ...["subscribe a", "subscribe b", "text 2", "text 4", "text 5", "text 7", "text between", "subscribe c", "text 3", "text 6"],
    ]);
  });

  test("close ends the socket after what was sent, drops later messages, and leaves the close event", () => {
    const client = stage.open("m", "n");
    stage.say([
      stage.groupsOf(client, {
        effects: [
          [toGateway.send, "a"],
          [toGateway.close, "enough", 0, 4_000],
        ],
      }),
    ]);
    // Behind the cork: under it, uWebSockets.js would not end the TCP connection.
    expect(client.socket.log).toEqual(["cork", "text a", "uncork", "end 4000 enough"]);
    expect(client.connection.events.map(({ type }) => type)).toEqual([toWorker.close]);
  });

  test("flush leaves the event open, is counted for it, and is confirmed to the worker", () => {
    const client = stage.open("m");
    stage.say([stage.groupsOf(client, { effects: [[toGateway.send, "a"]], end: flag.flush }, { effects: [], end: flag.flush })]);
    expect(client.connection.events.map(({ flushed }) => flushed)).toEqual([2, 0]);
    stage.worker.link.flush();
    const [batch] = stage.given as [Batch];
    expect(Array.from({ length: batch.records }, (_, index) => batch.type(index))).toEqual([
      ...[toWorker.pin, toWorker.open, toWorker.message],
      ...[toWorker.flushed, toWorker.flushed],
    ]);
  });
});

describe("a turn that subscribes", () => {
  const subscribes: Group = {
    effects: [
      [toGateway.subscribe, "t"],
      [toGateway.send, "subscribed"],
    ],
  };
  const sends: Group = { effects: [[toGateway.send, "next"]] };

  test("waits until NATS has the subscription, and all that follows of its connection waits behind it", async () => {
    const client = stage.open("m");
    const other = stage.open();
    stage.say([stage.groupsOf(client, subscribes)]);
    stage.say([stage.groupsOf(client, sends), stage.groupsOf(other, sends)]);
    expect(client.socket.log).toEqual([]);
    expect(other.socket.log, "nobody else waits").toEqual(["text next"]);
    await stage.confirmed();
    expect(client.socket.log).toEqual([...["cork", "subscribe t", "text subscribed", "uncork"], "text next"]);
    expect(stage.topics.size).toBe(1);
    expect(stage.commits.counters.commits).toBe(3);
  });

  test("waits again where the next one subscribes to something else, in order", async () => {
    const client = stage.open("m", "n");
    stage.say([stage.groupsOf(client, subscribes)]);
    stage.say([stage.groupsOf(client, { effects: [[toGateway.subscribe, "u"]] })]);
    stage.say([stage.groupsOf(client, sends)]);
    await stage.confirmed();
    await stage.confirmed();
    expect(stage.confirmationsBefore.get("u")).toBe(2);
    expect(client.socket.log.filter((line) => !line.includes("cork"))).toEqual([
      ...["subscribe t", "text subscribed", "subscribe u", "text next"],
    ]);
    expect(stage.topics.size).toBe(2);
  });

  test("does not wait for what is confirmed already", async () => {
    const client = stage.open();
    stage.say([stage.groupsOf(client, subscribes)]);
    await stage.confirmed();
    const second = stage.open();
    stage.say([stage.groupsOf(second, subscribes)]);
    expect(second.socket.log).toContain("text subscribed");
  });

  test("and unsubscribes leaves no interest behind", async () => {
    const client = stage.open("m");
    stage.say([stage.groupsOf(client, subscribes)]);
    await stage.confirmed();
    stage.say([stage.groupsOf(client, { effects: [[toGateway.unsubscribe, "t"]] })]);
    expect([stage.topics.size, client.connection.topics?.size]).toEqual([0, 0]);
    expect(client.socket.log).toContain("unsubscribe t");
  });

  test("holds back the release of its connection", async () => {
    const client = stage.open();
    const said = stage.groupsOf(client, subscribes);
    stage.dispatcher.joined(stage.other);
    stage.dispatcher.drains(stage.worker);
    stage.say([said]);
    stage.say([{ ...said, groups: [released] }]);
    expect(client.connection.phase).toBe("leaving");
    await stage.confirmed();
    expect(client.socket.log).toContain("text subscribed");
    expect([client.connection.phase, client.connection.worker?.id]).toEqual(["pinned", "w2"]);
    expect(client.connection.events, "nothing is left to redeliver").toEqual([]);
  });

  test("is behind the cork of what was said before: it may end the socket", () => {
    const client = stage.open();
    const said = stage.groupsOf(client, {
      effects: [
        [toGateway.send, "a"],
        [toGateway.send, "b"],
      ],
    });
    stage.dispatcher.joined(stage.newWorker("w3", "/b"));
    stage.dispatcher.drains(stage.worker);
    stage.say([{ ...said, groups: [...said.groups, released] }]);
    expect(client.socket.log).toEqual(["cork", "text a", "text b", "uncork", "end 1011 route.removed"]);
  });

  test("that gives the connection up for a bug closes it, and its onClose goes to a worker", () => {
    const client = stage.open("m");
    stage.say([stage.groupsOf(client, { effects: [[toGateway.released, "", flag.broken]], end: 0 })]);
    expect(stage.bugs.map(({ error }) => String(error))).toEqual(["Error: worker w1 has met a bug with it: see its log"]);
    expect(client.socket.log).toEqual(["end 1011 connection.bug"]);
    expect(client.connection.events.map(({ type }) => type)).toEqual([toWorker.open, toWorker.close]);
    expect([client.connection.phase, stage.worker.inFlight]).toEqual(["pinned", 2]);
  });

  test("has committed though its worker dies while it waits", async () => {
    const client = stage.open();
    stage.dispatcher.joined(stage.other);
    stage.say([stage.groupsOf(client, subscribes)]);
    stage.dispatcher.lost(stage.worker, "left");
    await stage.confirmed();
    expect(client.socket.log).toContain("text subscribed");
    expect(client.connection.worker?.id).toBe("w2");
    expect(stage.dispatcher.counters.redelivered).toBe(0);
  });
});

test.each([["closes"], ["is slow"]])("a commit that was held back while its worker was lost is applied once, though it %s", async (how) => {
  const client = stage.open("m");
  stage.say([stage.groupsOf(client, { effects: [] })]);
  stage.dispatcher.joined(stage.other);
  const close = how === "closes";
  stage.say([
    stage.groupsOf(client, {
      effects: [[toGateway.subscribe, "t"], [toGateway.send, "x"], ...(close ? [[toGateway.close, "", 0, 4000] as const] : [])],
    }),
  ]);
  // As uWebSockets.js does where too much waits to be sent: it closes, within send.
  if (!close) client.socket.send = () => client.socket.end(1006, "");
  expect(client.connection.held).toBeDefined();
  stage.dispatcher.lost(stage.worker, "left");
  await stage.confirmed();
  stage.other.link.flush();
  const types = stage.given.flatMap((batch) =>
    batch.header.to === "w2" ? Array.from({ length: batch.records }, (_, i) => batch.type(i)) : [],
  );
  expect(stage.dispatcher.counters.redelivered).toBe(0);
  expect(types.filter((type) => type === toWorker.message)).toEqual([]);
});

describe("a bug that met a connection", () => {
  test("closes that one, and no other notices", () => {
    const broken = stage.open();
    const other = stage.open();
    broken.socket.isBroken = true;
    const send: Group = { effects: [[toGateway.send, "a"]] };
    stage.say([stage.groupsOf(broken, send), stage.groupsOf(other, send)]);
    expect(stage.bugs).toEqual([{ id: "c0", error: new Error("this socket is broken") }]);
    expect(broken.socket.log).toEqual(["end 1011 connection.bug"]);
    expect(other.socket.log).toEqual(["text a"]);
  });

  test("ends its turn where it was: nothing that follows of that pin is applied, held back or not", async () => {
    const client = stage.open("m", "n");
    const send: Group = { effects: [[toGateway.send, "a"]] };
    stage.say([stage.groupsOf(client, { effects: [[toGateway.subscribe, "t"]] })]);
    stage.say([stage.groupsOf(client, send)]);
    stage.say([stage.groupsOf(client, { effects: [[toGateway.state, "late"]] })]);
    client.socket.isBroken = true;
    await stage.confirmed();
    expect(stage.bugs.length).toBe(1);
    expect(client.connection.state.current).toBeUndefined();
    expect(client.connection.events.map(({ type }) => type)).toEqual([toWorker.close]);
    expect([stage.dispatcher.size, stage.commits.counters.commits, stage.commits.counters.refused]).toEqual([1, 1, 1]);
  });

  test.each<[string, Group]>([
    ["a publish that is shorter than its topic", { effects: [[toGateway.publish, Buffer.from([9, 0, 1])]] }],
    [
      "a topic that is no topic",
      {
        effects: [
          [toGateway.send, "a"],
          [toGateway.subscribe, ""],
        ],
      },
    ],
  ])("may be in what its worker said: %s", async (_, group) => {
    const client = stage.open();
    const other = stage.open();
    stage.say([stage.groupsOf(client, group), stage.groupsOf(other, { effects: [[toGateway.send, "a"]] })]);
    await stage.confirmed();
    expect(stage.bugs.map(({ id }) => id)).toEqual(["c0"]);
    expect(client.socket.log.filter((line) => line.startsWith("text"))).toEqual([]);
    expect(other.socket.log).toEqual(["text a"]);
    expect(stage.topics.size).toBe(0);
  });
});
