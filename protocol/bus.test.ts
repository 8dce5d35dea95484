// The bus on a real nats-server.

import { afterAll, beforeAll, expect, test } from "vitest";
import { startNats, type TestNats } from "../test/nats.ts";
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
