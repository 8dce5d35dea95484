// The bus on a real nats-server.

import { setImmediate as nextTurn } from "node:timers/promises";
import { connect, headers } from "nats";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { keptPort, startNats, type TestNats } from "../test/nats.ts";
import { connectBus } from "./bus.ts";

let nats: TestNats;

beforeAll(async () => {
  nats = await startNats();
});

afterAll(() => nats.stop());

test("once it is closed nobody is told that it is connected: what waits for that waits for good", async () => {
  const bus = await connectBus({ url: nats.url, name: "test", onEvent: () => undefined });
  await bus.whenConnected();
  await bus.close();
  expect(bus.connected).toBe(false);
  await expect(bus.flush()).rejects.toThrow();
  const first = await Promise.race([bus.whenConnected().then(() => "connected"), new Promise((resolve) => setImmediate(resolve, "waits"))]);
  expect(first).toBe("waits");
});

test("messages with headers and without come in the order in which they were published", async () => {
  const bus = await connectBus({ url: nats.url, name: "test", onEvent: () => undefined });
  const outside = await connect({ servers: nats.url });
  const heard: string[] = [];
  bus.subscribe("order", (message) => heard.push(`${Buffer.from(message.payload)}${message.header("Kind") ?? ""}`));
  await bus.flush();
  const kind = headers();
  kind.set("Kind", "+");
  const expected: string[] = [];
  for (let number = 0; number < 2_000; number++) {
    const hasHeaders = number % 3 === 0;
    outside.publish("order", String(number), hasHeaders ? { headers: kind } : undefined);
    expected.push(hasHeaders ? `${number}+` : String(number));
  }
  await outside.flush();
  await bus.flush();
  expect(heard).toEqual(expected);
  await outside.close();
  await bus.close();
});

test("what is published together arrives whole and in order, however large, and also when a publish fails", async () => {
  const faults: unknown[] = [];
  const bus = await connectBus({
    url: nats.url,
    name: "test",
    onEvent: (event) => event.kind === "fault" && faults.push(event.error),
  });
  const outside = await connect({ servers: nats.url });
  const heard: string[] = [];
  outside.subscribe("together.*", {
    callback: (_, { subject, data }) => {
      heard.push(`${subject} ${data.length}`);
    },
  });
  await outside.flush();
  const sizes = [1, 100_000, 2_048, 0, 3];
  expect(() =>
    bus.together(() => {
      for (const size of sizes) bus.publish(`together.${size}`, Buffer.alloc(size));
      throw new Error("after these");
    }),
  ).toThrow("after these");
  bus.publish("together.alone", Buffer.alloc(5));
  await bus.flush();
  await outside.flush();
  expect(heard).toEqual([...sizes.map((size) => `together.${size} ${size}`), "together.alone 5"]);
  expect(faults).toEqual([]);
  await outside.close();
  await bus.close();
});

test("an action for the end of a read runs behind the messages that came with it, and before anything else", async () => {
  const bus = await connectBus({ url: nats.url, name: "test", onEvent: () => undefined });
  const outside = await connect({ servers: nats.url });
  const order: string[] = [];
  expect(bus.atEndOfRead(() => order.push("never"))).toBe(false);
  const heard = new Promise<void>((resolve) => {
    bus.subscribe("read", () => {
      queueMicrotask(() => order.push("microtask"));
      order.push(bus.atEndOfRead(() => order.push("end")) ? "message" : "not read");
      resolve();
    });
  });
  await bus.flush();
  outside.publish("read");
  await heard;
  await nextTurn();
  expect(order).toEqual(["message", "end", "microtask"]);
  await outside.close();
  await bus.close();
});

test("an exception in a listener is a fault, and hurts nothing", async () => {
  const faults: unknown[] = [];
  const bus = await connectBus({
    url: nats.url,
    name: "test",
    onEvent: (event) => event.kind === "fault" && faults.push(event.error),
  });
  const outside = await connect({ servers: nats.url });
  const heard: string[] = [];
  for (const subject of ["plain", "pattern.*"]) {
    bus.subscribe(subject, ({ payload }) => {
      heard.push(String(payload));
      if (heard.length % 2 === 1) throw new Error(String(payload));
    });
  }
  await bus.flush();
  for (const subject of ["plain", "plain", "pattern.a", "pattern.b"]) outside.publish(subject, subject);
  await outside.flush();
  await bus.flush();
  expect(heard.map(String)).toEqual(["plain", "plain", "pattern.a", "pattern.b"].map((text) => String(Buffer.from(text))));
  expect(faults.map((error) => (error as Error).message)).toHaveLength(2);
  await outside.close();
  await bus.close();
});

test("a handler that connects to NATS itself takes nothing from us, also when NATS has restarted", async () => {
  const port = await keptPort();
  const own = await startNats(port);
  const events: string[] = [];
  const bus = await connectBus({ url: own.url, name: "test", onEvent: ({ kind }) => events.push(kind) });
  const heard: string[] = [];
  bus.subscribe("again", ({ payload }) => heard.push(Buffer.from(payload).toString()));
  await (await connect({ servers: own.url })).close();
  await own.stop();
  await vi.waitFor(() => expect(events).toContain("disconnected"), 5_000);
  const again = await startNats(port);
  await bus.whenConnected();
  const outside = await connect({ servers: own.url });
  outside.subscribe("from.us", {
    callback: (_, message) => {
      heard.push(message.string());
    },
  });
  await outside.flush();
  await bus.flush();
  bus.publish("from.us", Buffer.from("ours"));
  outside.publish("again", "theirs");
  await Promise.all([bus.flush(), outside.flush()]);
  await bus.flush();
  await outside.flush();
  expect(heard.toSorted()).toEqual(["ours", "theirs"]);
  await outside.close();
  await bus.close();
  await again.stop();
});
