import fc from "fast-check";
import { expect, test } from "vitest";
import type { ReceiveBody } from "../../protocol/session.ts";
import { FakeClient } from "./fake-client.ts";
import { Receiver } from "./receiver.ts";
import { deliver, receive, Stage } from "./relay-stage.ts";

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

test("a gateway that has died is waited for once, and again only when it was heard in between", () => {
  const stage = new Stage();
  stage.subscription.unsubscribe();
  const outcomes = () => {
    const client = stage.ask();
    const atOnce = client.outcome;
    stage.after(5_000);
    return [atOnce, client.outcome];
  };
  stage.dead = [{ id: "dead", heardAt: 0 }];
  expect(outcomes()).toEqual([undefined, "missing"]);
  expect(outcomes()).toEqual(["missing", "missing"]);
  stage.dead = [{ id: "dead", heardAt: stage.at }];
  expect(outcomes()).toEqual([undefined, "missing"]);
  expect(outcomes()).toEqual(["missing", "missing"]);
});

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

test("a gateway that ends gives a request up before it hears who has the session: that one stays open", () => {
  // A stream's head is heard first.
  for (const mode of ["poll", "stream"] as const) {
    const stage = new Stage();
    const asked: string[] = [];
    const says = (outcome: string) => () => asked.push(outcome);
    const body: ReceiveBody = { ...receive, mode, gone: { code: 4001, reason: "gone" } };
    const outcome = {
      onMissing: says("missing"),
      onSilent: says("silent"),
      onRestart: says("restart"),
      onFound: () => undefined,
      onBegun: says("begun"),
    };
    stage.asking.asked.receive("k", body, new FakeClient(), outcome);
    stage.asking.asked.drain(1_000);
    stage.at += 1_000;
    stage.asking.sweep();
    expect(asked).toEqual(["restart"]);
    stage.settle();
    expect([stage.owning.waiting, stage.closes]).toEqual([0, []]);
    stage.send("a");
    const next = new FakeClient();
    stage.socket.receive(new Receiver({ receive, client: next, onBegun: () => undefined }));
    expect(next.body).toBe("a\n");
  }
});

test("a gateway that ends without NATS waits for requests no longer than with it", () => {
  const stage = new Stage();
  const client = stage.ask();
  stage.loses = () => true;
  const told = deliver(stage);
  stage.isConnected = false;
  for (const { asked } of [stage.asking, stage.owning]) asked.drain(1_000);
  stage.after(750);
  expect([client.outcome, told.outcome, stage.asking.waiting, stage.owning.waiting]).toEqual([undefined, undefined, 2, 1]);
  stage.after(250);
  expect([client.outcome, told.outcome, stage.asking.waiting, stage.owning.waiting]).toEqual(["restart", "silent", 0, 0]);
});

test("a gateway that ends with NATS waits until it is known what has become of deliveries", () => {
  const stage = new Stage();
  let isLost = true;
  stage.loses = () => isLost;
  const told = deliver(stage);
  stage.asking.asked.drain(250);
  stage.after(500);
  expect([told.outcome, stage.asking.waiting]).toEqual([undefined, 1]);
  isLost = false;
  stage.after(1_000);
  expect([told.outcome, stage.asking.waiting]).toEqual(["delivered", 0]);
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
