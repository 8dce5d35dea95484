import { expect, test } from "vitest";
import { FakeClient } from "./fake-client.ts";
import { Receiver } from "./receiver.ts";
import { deliver, receive, Stage } from "./relay-stage.ts";

test("a poll waits there, and its answer comes here", () => {
  const stage = new Stage();
  const client = stage.ask();
  expect(client.head).toBeUndefined();
  stage.send("a");
  stage.settle();
  expect(client).toMatchObject({ head: { status: 200, length: 2 }, body: "a\n", end: "end" });
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

test("a client that goes before anybody is known to have its session is no receiver there any more", () => {
  const stage = new Stage();
  const client = new FakeClient();
  const never = () => undefined;
  stage.asking.asked.receive("k", receive, client, { onMissing: never, onSilent: never, onRestart: never, onFound: never, onBegun: never });
  client.leave();
  stage.settle();
  stage.send("a");
  stage.settle();
  expect(stage.ask()).toMatchObject({ body: "a\n", end: "end" });
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
