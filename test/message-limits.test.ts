// The largest message that is let in is handled, by each of the ways that a message may go.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { neededPayloadBytes } from "../protocol/payload-limits.ts";
import { freePort } from "../supervisor/port.ts";
import { parseWorkerConfig } from "../worker/config.ts";
import { TestClient } from "./client.ts";
import { startNats } from "./nats.ts";
import { TestSystem } from "./system.ts";

describe.each([{}, { MESSAGE_BYTES: String(1024 * 1024) }])("with %j and nothing else", (environment: Record<string, string>) => {
  const limits = parseWorkerConfig({ NATS_URL: "none", ...environment });
  const largest = Buffer.alloc(limits.MESSAGE_BYTES, "message ");
  const folder = mkdtempSync(join(tmpdir(), "thinstate-limits-"));
  let system: TestSystem;
  let otherUrl: string;

  beforeAll(async () => {
    const file = join(folder, "nats.conf");
    writeFileSync(file, `max_payload: ${neededPayloadBytes(limits)}\n`);
    system = await TestSystem.start({ handlers: "large", environment, nats: await startNats(0, ["-c", file]) });
    const port = await freePort("127.0.0.1");
    system.startGateway({ PORT: String(port) });
    await system.until(() => system.gatewayHellos.filter(({ serving }) => serving).length === 2, "both gateways serve");
    otherUrl = `ws://127.0.0.1:${port}`;
  });

  afterAll(async () => {
    await system.stop();
    rmSync(folder, { recursive: true });
  });

  async function opened(how: string, url = system.url): Promise<TestClient> {
    const client = await TestClient.open(`${url}/relay/${how}`);
    await client.receives(1);
    return client;
  }

  async function expectLargest(...clients: readonly TestClient[]): Promise<void> {
    for (const client of clients) {
      await client.receives(2);
      expect((client.received[1] as Buffer).equals(largest)).toBe(true);
      await client.close();
    }
  }

  test.each(["echo", "app.send"])("%s", async (how) => {
    const client = await opened(how);
    client.send(largest);
    await expectLargest(client);
  });

  test.each(["publish", "app.publish"])("%s, to a client of the same gateway and one of another", async (how) => {
    const listeners = [await opened("none"), await opened("none", otherUrl)];
    const client = await opened(how);
    client.send(largest);
    await expectLargest(...listeners);
    await client.close();
  });

  test("a publish of another program", async () => {
    const listeners = [await opened("none"), await opened("none", otherUrl)];
    system.bus.publish(system.subjects.topicFromOutside("large"), largest);
    await expectLargest(...listeners);
  });

  test("the body of a request, and not a byte more", async () => {
    const post = (body: Buffer) => fetch(`${system.url.replace("ws", "http")}/relay/request`, { method: "POST", body });
    const answer = await post(largest);
    expect(Buffer.from(await answer.arrayBuffer()).equals(largest)).toBe(true);
    expect((await post(Buffer.concat([largest, Buffer.from("1")]))).status).toBe(413);
  });

  test("messages to a session that become more than a message of NATS holds are refused, and all others go on", async () => {
    const other = await opened("echo");
    const session = `${system.url.replace("ws", "http")}/relay/session`;
    await (await fetch(session)).text();
    // Each byte is no UTF-8, and so becomes one character of three.
    const answer = await fetch(session, { method: "POST", body: Buffer.alloc(limits.MESSAGE_BYTES, 0xff) });
    expect(answer.status).toBe(3 * limits.MESSAGE_BYTES < neededPayloadBytes(limits) ? 204 : 413);
    other.send(largest);
    await expectLargest(other);
  });

  test("one that waits for a worker", async () => {
    const client = await opened("echo");
    await system.live("worker")[0]?.end();
    client.send(largest);
    await system.until(() => system.gatewayHellos.some(({ parked }) => parked === 1), "it waits");
    await system.standBy("1");
    await expectLargest(client);
  });
});
