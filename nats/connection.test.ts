// The bus on a real nats-server.

import { setImmediate as nextTurn } from "node:timers/promises";
import { connect, headers, type NatsConnection } from "nats";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import type { Bus } from "../protocol/bus.ts";
import { keptPort, startNats, type TestNats } from "../test/nats.ts";
import { patienceMs } from "../testbed/patience.ts";
import { type BusEvent, connectBus } from "./connection.ts";

let nats: TestNats;

beforeAll(async () => {
  nats = await startNats();
});

afterAll(() => nats.stop());

/** What ends with its test, however that ends: the last one first. */
const ends: Array<() => Promise<unknown>> = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

interface Connected {
  readonly bus: Bus;
  /** What the bus has told of itself. */
  readonly events: BusEvent[];
}

async function connected(url = nats.url): Promise<Connected> {
  const events: BusEvent[] = [];
  const bus = await connectBus({ url, name: "test", onEvent: (event) => events.push(event) });
  ends.push(() => bus.close());
  return { bus, events };
}

/** Another program. */
async function outsider(url = nats.url): Promise<NatsConnection> {
  const outside = await connect({ servers: url });
  ends.push(() => outside.close());
  return outside;
}

function textOf(payload: Uint8Array): string {
  return Buffer.from(payload).toString();
}

test("an outage is told once, however often the server refuses meanwhile", async () => {
  const [port, monitoring] = [await keptPort(), await keptPort()];
  const before = await startNats(port);
  const { events } = await connected(before.url);
  await before.stop();
  const refusing = await startNats(port, ["--auth", "secret", "-m", String(monitoring)]);
  const attempts = async () => {
    const answer = await fetch(`http://127.0.0.1:${monitoring}/varz`);
    return ((await answer.json()) as { total_connections: number }).total_connections;
  };
  await vi.waitFor(async () => expect(await attempts()).toBeGreaterThan(4), patienceMs);
  await refusing.stop();
  const after = await startNats(port);
  ends.push(() => after.stop());
  await vi.waitFor(() => expect(events.filter(({ kind }) => kind === "connected")).not.toEqual([]), patienceMs);
  const told = events.map(({ kind }) => kind).filter((kind) => kind !== "fault" && kind !== "unreached");
  expect(told).toEqual(["disconnected", "connected"]);
});

test("why NATS cannot be reached is told once, however often it is tried", async () => {
  const port = await keptPort();
  const events: BusEvent[] = [];
  const connecting = connectBus({ url: `nats://127.0.0.1:${port}`, name: "test", onEvent: (event) => events.push(event) });
  await vi.waitFor(() => expect(events).toHaveLength(1), patienceMs);
  const late = await startNats(port);
  ends.push(() => late.stop());
  const bus = await connecting;
  ends.push(() => bus.close());
  expect(events).toEqual([{ kind: "unreached", error: expect.objectContaining({ message: "connection refused" }) }]);
});

test("once it is closed nobody is told that it is connected: what waits for that waits for good", async () => {
  const { bus } = await connected();
  await bus.whenConnected();
  await bus.close();
  expect(bus.connected).toBe(false);
  await expect(bus.flush()).rejects.toThrow();
  const first = await Promise.race([bus.whenConnected().then(() => "connected"), new Promise((resolve) => setImmediate(resolve, "waits"))]);
  expect(first).toBe("waits");
});

test("messages with headers and without come in the order in which they were published", async () => {
  const { bus } = await connected();
  const outside = await outsider();
  const heard: string[] = [];
  bus.subscribe("order", (message) => heard.push(`${textOf(message.payload)}${message.header("Kind") ?? ""}`));
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
});

test("what is published together arrives whole and in order, however large, also where the action throws", async () => {
  const { bus, events } = await connected();
  const outside = await outsider();
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
  expect(events).toEqual([]);
});

test("an action for the end of a read runs behind the messages that came with it, and before anything else", async () => {
  const { bus } = await connected();
  const outside = await outsider();
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
});

test("an exception in a listener is a fault, and hurts nothing", async () => {
  const { bus, events } = await connected();
  const outside = await outsider();
  const heard: string[] = [];
  for (const subject of ["plain", "pattern.*"]) {
    bus.subscribe(subject, ({ payload }) => {
      heard.push(textOf(payload));
      if (heard.length % 2 === 1) throw new Error(textOf(payload));
    });
  }
  await bus.flush();
  const subjects = ["plain", "plain", "pattern.a", "pattern.b"];
  for (const subject of subjects) outside.publish(subject, subject);
  await outside.flush();
  await bus.flush();
  expect(heard).toEqual(subjects);
  expect(events).toEqual(["plain", "pattern.a"].map((text) => ({ kind: "fault", error: new Error(text) })));
});

test("a handler that connects to NATS itself takes nothing from us, also when NATS has restarted", async () => {
  const port = await keptPort();
  const own = await startNats(port);
  ends.push(() => own.stop());
  const { bus, events } = await connected(own.url);
  const heard: string[] = [];
  bus.subscribe("again", ({ payload }) => heard.push(textOf(payload)));
  await (await connect({ servers: own.url })).close();
  await own.stop();
  await vi.waitFor(() => expect(events).toContainEqual({ kind: "disconnected" }), patienceMs);
  const again = await startNats(port);
  ends.push(() => again.stop());
  await bus.whenConnected();
  const outside = await outsider(own.url);
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
});
