// The promise's points 1, 2 and 6 on a running system: order, atomic turns, roll-back and onError.

import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { patienceMs, stretchedMs } from "../testbed/patience.ts";
import { TestClient } from "./client.ts";
import type { Step } from "./handlers/basic/script.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

const turnTimeoutMs = stretchedMs(300);

beforeAll(async () => {
  system = await TestSystem.start({
    environment: { TURN_TIMEOUT_MS: String(turnTimeoutMs), EFFECTS_BYTES: "110000", MESSAGE_BYTES: "100000" },
  });
});

afterAll(() => system.stop());

const script = (...steps: Step[]) => steps;

test("echoes text as text and bytes as bytes", async () => {
  const client = await TestClient.open(`${system.url}/echo`);
  client.send("grüß dich");
  client.send(Buffer.from([0, 255, 1]));
  client.send("");
  await client.receives(3);
  expect(client.received).toEqual(["grüß dich", Buffer.from([0, 255, 1]), ""]);
  await client.close();
});

test("runs the turns of one connection one at a time, in the order of its messages, also when early ones are slow", async () => {
  const client = await TestClient.open(`${system.url}/script/order`);
  for (let index = 0; index < 40; index++) client.send(script({ do: "pause", ms: index % 10 === 0 ? 20 : 0 }, { do: "send", data: index }));
  await client.receives(40);
  expect(client.values).toEqual(Array.from({ length: 40 }, (_, index) => index));
  await client.close();
});

test("a connection with a slow turn holds up no other", async () => {
  const slow = await TestClient.open(`${system.url}/script/slow`);
  const quick = await TestClient.open(`${system.url}/script/quick`);
  slow.send(script({ do: "pause", ms: Math.floor((2 * turnTimeoutMs) / 3) }, { do: "send", data: "slow" }));
  for (let index = 0; index < 20; index++) {
    quick.send(script({ do: "send", data: index }));
    await quick.receives(index + 1);
  }
  expect(slow.received).toEqual([]);
  await slow.receives(1);
  await Promise.all([slow.close(), quick.close()]);
});

test("a turn that throws has had no effect, and onError runs instead", async () => {
  const client = await TestClient.open(`${system.url}/script/throw`);
  client.send(script({ do: "send", data: "never" }, { do: "count" }, { do: "subscribe", topic: "t" }, { do: "throw", text: "no" }));
  client.send(script({ do: "tell" }));
  await client.receives(2);
  expect(client.values).toMatchObject([
    { error: "handler.thrown", message: "handler.thrown: no" },
    { count: 0, topics: [] },
  ]);
  await client.close();
});

test("a turn that waits and then throws has had no effect either, but for what it had flushed", async () => {
  const client = await TestClient.open(`${system.url}/script/flush`);
  client.send(script({ do: "send", data: 1 }, { do: "count" }, { do: "flush" }, { do: "send", data: 2 }, { do: "throw", text: "late" }));
  client.send(script({ do: "tell" }));
  await client.receives(3);
  expect(client.values).toMatchObject([1, { error: "handler.thrown" }, { count: 1 }]);
  await client.close();
});

test("a turn that does not settle in time is cut off and treated as thrown", async () => {
  const client = await TestClient.open(`${system.url}/script/timeout`);
  client.send(script({ do: "send", data: "never" }, { do: "pause", ms: 10 * turnTimeoutMs }, { do: "send", data: "never" }));
  client.send(script({ do: "send", data: { next: true } }));
  await client.receives(2);
  expect(client.values).toMatchObject([{ error: "turn.timeout" }, { next: true }]);
  await client.close();
});

test.each([
  ["effects.tooLarge", script(...Array.from({ length: 2_000 }, (): Step => ({ do: "tell" })))],
  ["state.tooLarge", script({ do: "pad", bytes: 17_000 })],
  ["topic.invalid", script({ do: "subscribe", topic: "" })],
  ["topic.invalid", script({ do: "publish", topic: "x".repeat(257), data: "" })],
  ["close.invalid", script({ do: "close", code: 1011, reason: "" })],
  ["handler.thrown", script({ do: "mutate" })],
])("what is not allowed throws %s, and the connection goes on", async (code, steps) => {
  const client = await TestClient.open(`${system.url}/script/coded`);
  client.send(steps);
  client.send(script({ do: "tell" }));
  await client.receives(2);
  expect(client.values).toMatchObject([{ error: code }, { count: 0, topics: [] }]);
  await client.close();
});

test("a message that is not JSON is a coded error where the handler wants JSON", async () => {
  const client = await TestClient.open(`${system.url}/script/json`);
  client.send("{");
  await client.receives(1);
  expect(client.values).toMatchObject([{ error: "message.notJson" }]);
  await client.close();
});

test("a message above MESSAGE_BYTES closes its connection with 1009, and no other", async () => {
  const client = await TestClient.open(`${system.url}/echo`);
  client.send("before");
  await client.receives(1);
  client.send("x".repeat(100_001));
  expect(await client.closes()).toEqual({ code: 1009, reason: "message.tooLarge" });
  expect(client.received).toEqual(["before"]);
  const other = await TestClient.open(`${system.url}/echo`);
  other.send("still there");
  await other.receives(1);
  await other.close();
});

test.each([
  ["onOpen", "open", undefined],
  ["onMessage, and onError throws it on,", "message", "x"],
  ["onMessage, and onError has a bug,", "error", "x"],
])("a throw in %s closes that connection with 1011 and no other", async (_, where, message) => {
  const other = await TestClient.open(`${system.url}/broken/none`);
  const journal = await TestClient.open(`${system.url}/journal/broken`);
  await journal.receives(1);
  const client = new TestClient(`${system.url}/broken/${where}`);
  await client.opened();
  if (message !== undefined) client.send(message);
  expect((await client.closes()).code).toBe(1011);
  await journal.receives(2);
  expect(JSON.parse(String(journal.received[1]))).toEqual({ close: where });
  other.send("alive");
  await other.receives(1);
  expect(other.received).toEqual(["alive"]);
  await Promise.all([other.close(), journal.close()]);
});

test("a handler's own close sends its code and reason after everything before it, and handles no message after it", async () => {
  const journal = await TestClient.open(`${system.url}/journal/kick`);
  await journal.receives(1);
  const client = await TestClient.open(`${system.url}/script/kick`);
  client.send(script({ do: "count" }, { do: "close", code: 4001, reason: "enough" }, { do: "send", data: "last words" }));
  for (let index = 0; index < 10; index++) client.send(script({ do: "count" }));
  expect(await client.closes()).toEqual({ code: 4001, reason: "enough" });
  expect(client.received).toEqual(["last words"]);
  await journal.receives(3);
  expect(JSON.parse(String(journal.received[2]))).toMatchObject({ code: 4001, reason: "enough", count: 1 });
  await journal.close();
});

test("onClose runs once, after everything else, with the client's code; 1006 where it broke off", async () => {
  const journal = await TestClient.open(`${system.url}/journal/leave`);
  await journal.receives(1);
  const polite = await TestClient.open(`${system.url}/script/leave`);
  for (let index = 0; index < 30; index++) polite.send(script({ do: "pause", ms: 1 }, { do: "count" }));
  polite.socket.close(4321, "bye");
  await journal.receives(3);
  expect(JSON.parse(String(journal.received[2]))).toMatchObject({ code: 4321, reason: "bye", count: 30 });
  const rude = await TestClient.open(`${system.url}/script/leave`);
  rude.breakOff();
  await journal.receives(5);
  expect(JSON.parse(String(journal.received[4]))).toMatchObject({ code: 1006 });
  await system.until(() => system.gatewayHellos[0]?.connections === 1, "only the journal is left");
  expect(journal.received).toHaveLength(5);
  await journal.close();
});

test("turn ids count a connection's events", async () => {
  const client = await TestClient.open(`${system.url}/script/ids`);
  client.send(script({ do: "tell" }));
  client.send(script({ do: "tell" }));
  await client.receives(2);
  const [first, second] = client.values as Array<{ id: string; turn: string; release: string; redelivered: boolean; ip: string }>;
  expect(first).toMatchObject({ turn: `${first?.id}:1`, release: "1", redelivered: false, ip: "127.0.0.1" });
  expect(second?.turn).toBe(`${first?.id}:2`);
  await client.close();
});

test("a timer that uses its turn's conn is told of, and ends no worker", async () => {
  const client = await TestClient.open(`${system.url}/script/later`);
  const before = system.live("worker").map(({ pid }) => pid);
  client.send([{ do: "send later" }, { do: "tell" }]);
  const told = () => system.live("worker").flatMap((worker) => worker.logged("a conn was used after its turn"));
  await client.receives(1);
  client.send([{ do: "pause", ms: 1 }, { do: "tell" }]);
  await client.receives(2);
  // Once it has come through its pipe.
  await vi.waitFor(() => expect(told()).toMatchObject([{ err: { code: "turn.over" } }]), patienceMs);
  expect(system.live("worker").map(({ pid }) => pid)).toEqual(before);
  await client.close();
});
