import fc from "fast-check";
import { expect, test } from "vitest";
import type { BusMessage } from "../../protocol/bus.ts";
import type { ReceiveBody } from "../../protocol/session.ts";
import { subjectsOf } from "../../protocol/subjects.ts";
import type { WaitingClient } from "../uws/waiting-client.ts";
import { FakeClient } from "./fake-client.ts";
import { Receiver } from "./receiver.ts";
import { SessionRelay } from "./session-relay.ts";
import { SessionSocket } from "./session-socket.ts";
import { SessionTopics } from "./session-topics.ts";

const subjects = subjectsOf("test");
const receive: ReceiveBody = {
  status: 200,
  headers: [],
  mode: "poll",
  maxBytes: 1_000_000,
  after: "\n",
  missing: { status: 404, headers: [], body: Buffer.from("missing") },
  busy: { response: { status: 409, headers: [], body: Buffer.from("busy") } },
};

/** Two gateways; what they say to each other may be lost. One of them has the session "k". */
class Stage {
  at = 0;
  loses: () => boolean = () => false;
  isConnected = true;
  readonly delivered: string[] = [];
  readonly closes: number[] = [];
  readonly socket: SessionSocket;
  readonly asking: SessionRelay;
  readonly owning: SessionRelay;
  readonly subscription: { unsubscribe(): void };
  private readonly listeners = new Map<string, (message: BusMessage) => void>();
  private readonly soon: Array<() => void> = [];

  constructor() {
    const now = () => this.at;
    const isConnected = () => this.isConnected;
    const bus = {
      get connected() {
        return isConnected();
      },
      publish: (subject: string, payload: Uint8Array, unheardTo?: string) => {
        if (this.loses()) return;
        this.soon.push(() => this.hear(subject, payload, unheardTo));
      },
      subscribe: (subject: string, listener: (message: BusMessage) => void) => {
        this.listeners.set(subject, listener);
        return { unsubscribe: () => this.listeners.delete(subject) };
      },
    };
    this.socket = new SessionSocket({
      ...{ idleMs: 1_000_000, linger: { ms: 500, repeatLast: false }, limitBytes: Number.POSITIVE_INFINITY, now },
      unansweredAt: () => Number.POSITIVE_INFINITY,
      later: (run) => this.soon.push(run),
      topics: new SessionTopics(),
      publishToSockets: () => undefined,
      onHeard: () => undefined,
      onClose: (code) => this.closes.push(code),
    });
    const relay = (self: string) =>
      new SessionRelay({
        ...{ self, bus, subjects, now },
        peers: () => (self === "asking" ? ["owning"] : ["asking"]),
        receive: (_key, body, client: WaitingClient) => {
          const receiver = new Receiver({ receive: body, client, onBegun: () => undefined });
          this.socket.receive(receiver);
          return receiver;
        },
        deliver: (_key, messages) => this.delivered.push(...messages.map(String)) > 0,
      });
    this.asking = relay("asking");
    this.owning = relay("owning");
    this.asking.begin();
    this.owning.begin();
    this.subscription = this.owning.listenFor("k");
  }

  /** Everything that is under way arrives. */
  settle(): void {
    for (let run = this.soon.shift(); run !== undefined; run = this.soon.shift()) run();
  }

  after(ms: number): void {
    for (let passed = 0; passed < ms; passed += 250) {
      this.at += 250;
      this.asking.sweep();
      this.owning.sweep();
      this.settle();
    }
  }

  ask(body: Partial<ReceiveBody> = {}, client = new FakeClient()): FakeClient & { outcome?: string } {
    const told: FakeClient & { outcome?: string } = client;
    this.asking.asked.receive("k", { ...receive, ...body }, client, {
      onMissing: () => {
        told.outcome = "missing";
      },
      onSilent: () => {
        told.outcome = "silent";
      },
      onRestart: () => {
        told.outcome = "restart";
      },
      onBegun: () => undefined,
    });
    this.settle();
    return told;
  }

  send(text: string): void {
    this.socket.send(Buffer.from(text), false);
  }

  /** The other gateway has lost its NATS server. @returns what has it back. */
  cutOff(): () => void {
    const lost = [subjects.session("k"), subjects.sessions("owning")].map((subject) => [subject, this.listeners.get(subject)] as const);
    for (const [subject] of lost) this.listeners.delete(subject);
    return () => {
      for (const [subject, listener] of lost) if (listener !== undefined) this.listeners.set(subject, listener);
    };
  }

  private hear(subject: string, payload: Uint8Array, unheardTo: string | undefined): void {
    const listener = this.listeners.get(subject);
    if (listener !== undefined) listener({ subject, payload, isUnheard: false, header: () => undefined });
    else if (unheardTo !== undefined) {
      const pattern = unheardTo.replace(/[^.]+$/, "*");
      this.listeners.get(pattern)?.({ subject: unheardTo, payload: new Uint8Array(0), isUnheard: true, header: () => undefined });
    }
  }
}

test("a poll waits there, and its answer comes here", () => {
  const stage = new Stage();
  const client = stage.ask();
  expect(client.head).toBeUndefined();
  stage.send("a");
  stage.settle();
  expect(client).toMatchObject({ head: { status: 200, length: 2 }, body: "a\n", end: "end" });
});

test("nobody has the session: that is known at once, but not shortly after a fault of NATS", () => {
  const stage = new Stage();
  stage.subscription.unsubscribe();
  expect(stage.ask().outcome).toBe("missing");
  stage.asking.reconnected();
  const late = stage.ask();
  stage.after(4_000);
  expect(late.outcome).toBeUndefined();
  stage.after(3_000);
  expect(late.outcome).toBe("missing");
});

test("the gateway that has it has lost its own server of a cluster: it is waited for, for 5 s", () => {
  const stage = new Stage();
  let reconnect = stage.cutOff();
  const client = stage.ask();
  const told = deliver(stage);
  stage.after(3_000);
  reconnect();
  stage.after(1_250);
  expect([told.outcome, client.outcome]).toEqual(["delivered", undefined]);
  stage.send("a");
  stage.settle();
  expect(client.body).toBe("a\n");
  reconnect = stage.cutOff();
  const late = stage.ask();
  stage.after(4_000);
  expect(late.outcome).toBeUndefined();
  stage.after(2_000);
  expect(late.outcome).toBe("missing");
  // Another session, that nobody has, is missing at once when all are back.
  reconnect();
  stage.after(5_000);
  stage.subscription.unsubscribe();
  expect(stage.ask().outcome).toBe("missing");
});

/** Messages for the session, as a request there brings them. */
function deliver(stage: Stage, message = "once"): { outcome?: string } {
  const told: { outcome?: string } = {};
  const says = (outcome: string) => () => {
    told.outcome = outcome;
  };
  stage.asking.asked.deliver("k", [message], {
    ...{ onMissing: says("missing"), onSilent: says("silent"), onRestart: says("restart"), onDelivered: says("delivered") },
  });
  stage.settle();
  return told;
}

test("a delivery whose answer is lost is done once, however long NATS is away after it, or given up", () => {
  for (const awayMs of [20_000, 50_000, 90_000]) {
    const stage = new Stage();
    // The question arrives, and nothing after it.
    let said = 0;
    stage.loses = () => said++ > 0;
    const told = deliver(stage);
    stage.isConnected = false;
    stage.after(awayMs);
    stage.isConnected = true;
    stage.loses = () => false;
    for (const relay of [stage.asking, stage.owning]) relay.reconnected();
    stage.after(6_000);
    expect(stage.delivered).toEqual(["once"]);
    expect(told.outcome).toBe(awayMs > 60_000 ? "silent" : "delivered");
  }
});

test("an answered request is not kept, nor one whose client has gone: it is not asked for again", () => {
  const stage = new Stage();
  expect(deliver(stage).outcome).toBe("delivered");
  const slow = stage.ask({ mode: "stream", maxBytes: 1 }, new FakeClient(true));
  stage.send("a");
  stage.settle();
  expect(stage.asking.waiting).toBe(1);
  slow.take();
  stage.settle();
  expect([stage.asking.waiting, stage.owning.waiting]).toEqual([0, 0]);
  stage.after(10_000);
  expect([stage.asking.waiting, stage.owning.waiting]).toEqual([0, 0]);
  stage.ask().leave();
  expect(stage.asking.waiting).toBe(0);
  stage.after(10_000);
  expect(stage.owning.waiting).toBe(0);
  const head = new FakeClient();
  head.begin = () => undefined;
  stage.send("b");
  stage.ask({}, head);
  expect([stage.asking.waiting, stage.owning.waiting]).toEqual([0, 0]);
});

test("a client that takes long to read the end of its answer is no new request meanwhile", () => {
  const stage = new Stage();
  const slow = stage.ask({}, new FakeClient(true));
  stage.send("a");
  stage.settle();
  stage.after(11_000);
  expect([stage.asking.waiting, stage.owning.waiting, stage.socket.waitingBytes]).toEqual([1, 1, 2]);
  stage.send("b");
  slow.take();
  stage.settle();
  expect([stage.asking.waiting, stage.owning.waiting, stage.socket.isAway]).toEqual([0, 0, true]);
  expect(stage.ask().body).toBe("b\n");
});

test("an answer whose acknowledgement is lost is acknowledged when it comes again, and closes nothing", () => {
  const stage = new Stage();
  const client = stage.ask({ gone: { code: 4001, reason: "gone" } });
  let said = 0;
  stage.loses = () => said++ > 2;
  stage.send("a");
  stage.settle();
  expect([client.body, stage.asking.waiting, stage.owning.waiting]).toEqual(["a\n", 0, 1]);
  stage.loses = () => false;
  stage.after(1_000);
  expect([stage.owning.waiting, stage.closes]).toEqual([0, []]);
});

test("a client that goes before anybody is known to have its session is no receiver there any more", () => {
  const stage = new Stage();
  const client = new FakeClient();
  const never = () => undefined;
  stage.asking.asked.receive("k", receive, client, { onMissing: never, onSilent: never, onRestart: never, onBegun: never });
  client.leave();
  stage.settle();
  stage.send("a");
  stage.settle();
  expect(stage.ask()).toMatchObject({ body: "a\n", end: "end" });
});

test("whoever has it goes silent: so much is said", () => {
  const stage = new Stage();
  const client = stage.ask();
  stage.loses = () => true;
  stage.after(20_000);
  expect(client.outcome).toBe("silent");
});

test("after both gateways have stood still, polls and deliveries are asked for again, and nothing is given up or done twice", () => {
  const stage = new Stage();
  const client = stage.ask({ gone: { code: 4001, reason: "gone" } });
  // The question arrives, and its answer is lost.
  let said = 0;
  stage.loses = () => said++ > 0;
  const told = deliver(stage);
  stage.loses = () => false;
  stage.at += 50_000;
  for (const relay of [stage.asking, stage.owning]) relay.excuse();
  stage.after(1_000);
  stage.send("a");
  stage.settle();
  expect([stage.closes, client.outcome, client.body]).toEqual([[], undefined, "a\n"]);
  expect([told.outcome, stage.delivered]).toEqual(["delivered", ["once"]]);
});

test("a gateway that has stood still for longer than a delivery is asked for reads its answer first, and does not ask again", () => {
  const [answered, silent] = [new Stage(), new Stage()];
  for (const stage of [answered, silent]) {
    const told: { outcome?: string } = {};
    let said = 0;
    stage.loses = () => said++ > 0;
    const says = (outcome: string) => () => {
      told.outcome = outcome;
    };
    stage.asking.asked.deliver("k", ["once"], {
      ...{ onMissing: says("missing"), onSilent: says("silent"), onRestart: says("restart"), onDelivered: says("delivered") },
    });
    stage.settle();
    stage.at += 100_000;
    stage.asking.excuse();
    stage.asking.sweep();
    expect(told.outcome).toBeUndefined();
    if (stage === answered) stage.asking.asked.hear({ kind: "delivered", from: "owning", number: 1, isThere: true });
    stage.loses = () => false;
    stage.after(2_000);
    expect([told.outcome, stage.delivered]).toEqual([stage === answered ? "delivered" : "silent", ["once"]]);
  }
});

test("a gateway that has stood still for very long still knows what it has delivered", () => {
  const stage = new Stage();
  let said = 0;
  stage.loses = () => said++ > 0;
  deliver(stage);
  stage.at += 50_000;
  // It has stood still for longer than it remembers, and only then reads that it was asked again.
  const asked = stage.at;
  stage.at += 50_000;
  stage.owning.excuse();
  stage.owning.sweep();
  stage.at = asked;
  stage.asking.excuse();
  stage.loses = () => false;
  stage.asking.sweep();
  stage.settle();
  expect(stage.delivered).toEqual(["once"]);
});

test("a client that goes is told of, and one whose gateway goes silent is taken for gone", () => {
  const stage = new Stage();
  const gone = { code: 4001, reason: "gone" };
  stage.ask({ gone }).leave();
  stage.settle();
  expect(stage.closes).toEqual([4001]);
  const other = new Stage();
  other.ask({ gone });
  other.loses = () => true;
  other.after(20_250);
  expect(other.closes).toEqual([4001]);
});

test("a gateway that ends: a stream of it ends at once, a poll with what comes next, and no frame is lost", () => {
  const stage = new Stage();
  const gone = { code: 4001, reason: "gone" };
  const client = stage.ask({ mode: "stream", gone });
  stage.send("a");
  stage.settle();
  stage.asking.asked.drain(6_000);
  stage.settle();
  expect(client).toMatchObject({ body: "a\n", end: "end" });
  expect([stage.asking.waiting, stage.owning.waiting]).toEqual([0, 0]);
  const poll = stage.ask({ gone });
  stage.after(1_000);
  expect([stage.asking.waiting, stage.owning.waiting]).toEqual([1, 1]);
  stage.send("b");
  stage.settle();
  expect(poll).toMatchObject({ body: "b\n", end: "end" });
  expect(stage.ask({ gone, mode: "stream" })).toMatchObject({ body: "", end: "end" });
  const last = stage.ask({ gone });
  stage.after(6_000);
  expect(last.outcome).toBe("restart");
  expect([stage.asking.waiting, stage.owning.waiting]).toEqual([0, 0]);
  stage.send("c");
  expect(stage.closes).toEqual([]);
  const next = new FakeClient();
  stage.socket.receive(new Receiver({ receive, client: next, onBegun: () => undefined }));
  expect(next.body).toBe("c\n");
});

test("a gateway that falls silent, and whose client has asked again elsewhere: what its answer closes stays open", () => {
  const stage = new Stage();
  const gone = { code: 4001, reason: "gone" };
  const through = stage.ask({ gone });
  // The answer arrives, and nothing after it.
  let said = 0;
  stage.loses = () => said++ > 2;
  stage.send("a");
  stage.settle();
  expect(through.body).toBe("a\n");
  const next = new FakeClient();
  stage.socket.receive(new Receiver({ receive: { ...receive, gone }, client: next, onBegun: () => undefined }));
  stage.after(21_000);
  expect([stage.owning.waiting, stage.closes]).toEqual([0, []]);
  stage.send("b");
  stage.settle();
  expect(next.body).toBe("b\n");
});

test("a slow client's bytes wait at the gateway of its session", () => {
  const stage = new Stage();
  const client = stage.ask({ mode: "stream", maxBytes: 10_000_000 }, new FakeClient(true));
  for (let count = 0; count < 10; count++) stage.send("x".repeat(20_000));
  stage.settle();
  expect(client.body.length).toBe(4 * 20_001);
  expect(stage.socket.waitingBytes).toBeGreaterThan(200_000);
  client.take();
  stage.settle();
  expect(client.body.length).toBe(8 * 20_001);
});

test("whatever is lost on the way, each frame and each message comes once and in order", () => {
  const step = fc.constantFrom("send", "ask", "stream", "deliver", "wait");
  const run = fc.property(fc.array(step, { maxLength: 40 }), fc.uniqueArray(fc.nat(150), { maxLength: 10 }), (steps, losses) => {
    const stage = new Stage();
    const clients: FakeClient[] = [];
    const posts: Array<{ outcome?: string }> = [];
    let at = 0;
    let sent = 0;
    let said = 0;
    // Fewer than would make one of them silent for too long.
    stage.loses = () => losses.includes(at++);
    const receives = (mode: "poll" | "stream") => {
      // A client asks again when it has its answer.
      if (clients.every((client) => client.isOver)) clients.push(stage.ask({ mode, maxBytes: 30 }));
    };
    for (const each of steps) {
      if (each === "send") stage.send(String(++sent));
      else if (each === "ask") receives("poll");
      else if (each === "stream") receives("stream");
      else if (each === "wait") stage.after(1_000);
      else {
        // A client sends more when it has its answer: without one, what it said first may come last.
        if (posts.at(-1)?.outcome === undefined && posts.length > 0) continue;
        posts.push(deliver(stage, String(++said)));
        stage.after(14_000);
      }
    }
    stage.loses = () => false;
    for (let more = 0; more < 20; more++) {
      stage.after(6_000);
      receives("poll");
    }
    const given = clients.flatMap(({ body }) => body.split("\n")).filter((frame) => frame !== "");
    expect(given.map(Number)).toEqual(Array.from({ length: sent }, (_, index) => index + 1));
    expect(stage.delivered.map(Number)).toEqual(Array.from({ length: said }, (_, index) => index + 1));
    expect(stage.closes).toEqual([]);
  });
  fc.assert(run, { numRuns: 200 });
});
